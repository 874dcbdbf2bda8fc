"""Keys."""

import sqlite3

from hookstream_keys.store.records import ApiKey, AuditEvent
from hookstream_keys.store.sqlite.audit import insert_event
from hookstream_keys.store.sqlite.engine import Engine

_KEY_COLUMNS = "id, org_id, env_id, name, prefix, scopes, created_by, created_at, revoked_at"
_FIND_KEY = f"select {_KEY_COLUMNS} from api_key where digest = ?"  # noqa: S608 - a constant
_ADD_KEY = (
    f"insert into api_key ({_KEY_COLUMNS}, digest) "  # noqa: S608 - a constant
    "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


class Keys(Engine):
    """The questions about keys."""

    def find_key(self, digest: bytes) -> ApiKey | None:
        row = self.one(_FIND_KEY, (digest,))
        return ApiKey(*row) if row else None

    def add_key(self, key: ApiKey, digest: bytes, event: AuditEvent) -> None:
        with self.change() as connection:
            insert_key(connection, key, digest)
            insert_event(connection, event)


def insert_key(connection: sqlite3.Connection, key: ApiKey, digest: bytes) -> None:
    """Store a key inside a transaction."""
    connection.execute(
        _ADD_KEY,
        (
            key.id,
            key.org_id,
            key.env_id,
            key.name,
            key.prefix,
            key.scopes,
            key.created_by,
            key.created_at,
            key.revoked_at,
            digest,
        ),
    )
