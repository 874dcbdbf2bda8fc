"""Keys."""

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from hookstream_keys.store.records import ApiKey, AuditEvent, KeyFilter
from hookstream_keys.store.sqlite.audit import insert_event
from hookstream_keys.store.sqlite.engine import Engine, Row

_COLUMNS = (
    "id, org_id, env_id, name, prefix, scopes, created_by, created_at, enabled, expires_at,"
    " allowed_ips, metadata, external_id, revoked_at, revocation_reason"
)
# All of these are constants of this module; values are bound.
_SELECT = f"select {_COLUMNS} from api_key"  # noqa: S608
_FIND_KEY = f"{_SELECT} where digest = ?"
_FIND_KEY_BY_ID = f"{_SELECT} where id = ?"
_ADD_KEY = (
    f"insert into api_key ({_COLUMNS}, digest)"  # noqa: S608
    " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_REVOKE = """
    update api_key set revoked_at = ?, revocation_reason = ? where id = ? and revoked_at is null
"""
_STATES = {
    "revoked": "revoked_at is not null",
    "disabled": "revoked_at is null and enabled = 0",
    "expired": "revoked_at is null and enabled = 1 and expires_at <= :now",
    "active": "revoked_at is null and enabled = 1 and (expires_at is null or expires_at > :now)",
}
_CHANGEABLE = ("name", "scopes", "enabled", "expires_at", "allowed_ips", "metadata", "external_id")


class Keys(Engine):
    """The questions about keys."""

    def find_key(self, digest: bytes) -> ApiKey | None:
        row = self.one(_FIND_KEY, (digest,))
        return _key(row) if row else None

    def find_key_by_id(self, key_id: str) -> ApiKey | None:
        row = self.one(_FIND_KEY_BY_ID, (key_id,))
        return _key(row) if row else None

    def list_keys(
        self, wanted: KeyFilter, limit: int, before: tuple[str, str] | None
    ) -> list[ApiKey]:
        conditions = ["org_id = :org_id"]
        conditions += [
            f"{column} = :{column}"
            for column in ("env_id", "created_by", "name")
            if getattr(wanted, column) is not None
        ]
        if wanted.state is not None:
            conditions.append(_STATES[wanted.state])
        if before is not None:
            conditions.append("(created_at, id) < (:created_at, :id)")
        created_at, key_id = before or ("", "")
        rows = self.all(
            f"{_SELECT} where {' and '.join(conditions)}"
            " order by created_at desc, id desc limit :limit",
            {
                "org_id": wanted.org_id,
                "env_id": wanted.env_id,
                "created_by": wanted.created_by,
                "name": wanted.name,
                "now": wanted.now,
                "created_at": created_at,
                "id": key_id,
                "limit": limit,
            },
        )
        return [_key(row) for row in rows]

    def add_key(self, key: ApiKey, digest: bytes, event: AuditEvent) -> None:
        with self.change() as connection:
            insert_key(connection, key, digest)
            insert_event(connection, event)

    def update_key(
        self, key_id: str, changes: Mapping[str, Any], event: AuditEvent
    ) -> ApiKey | None:
        values = {name: _stored(changes[name]) for name in _CHANGEABLE if name in changes}
        assignments = ", ".join(f"{name} = :{name}" for name in values)
        with self.change() as connection:
            row = connection.execute(
                f"update api_key set {assignments}"  # noqa: S608
                f" where id = :id and revoked_at is null returning {_COLUMNS}",
                {**values, "id": key_id},
            ).fetchone()
            if row is None:
                return None
            insert_event(connection, event)
            return _key(row)

    def revoke_key(self, key_id: str, revoked_at: str, reason: str, event: AuditEvent) -> bool:
        with self.change() as connection:
            if connection.execute(_REVOKE, (revoked_at, reason, key_id)).rowcount == 0:
                return False
            insert_event(connection, event)
            return True


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
            _stored(key.enabled),
            key.expires_at,
            _stored(key.allowed_ips),
            _stored(key.metadata),
            key.external_id,
            key.revoked_at,
            key.revocation_reason,
            digest,
        ),
    )


def _key(row: Row) -> ApiKey:
    # In the order of _COLUMNS, which is that of the record's fields.
    enabled, expires_at, allowed_ips, metadata = row[8:12]
    limits = (
        bool(enabled),
        expires_at,
        tuple(allowed_ips.split()),
        {} if metadata == "{}" else json.loads(metadata),
    )
    return ApiKey(*(row[:8] + limits + row[12:]))


def _stored(value: Any) -> Any:
    """A value of a record as its column holds it."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, Mapping):
        return json.dumps(value, separators=(",", ":"))
    return " ".join(value) if isinstance(value, tuple) else value
