"""The audit log."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from hookstream_keys.store import chain
from hookstream_keys.store.records import AuditEvent, ChainCheck, Progress
from hookstream_keys.store.sqlite import audit_chain
from hookstream_keys.store.sqlite.connection import Connection, chain_head
from hookstream_keys.store.sqlite.engine import Engine, to_json

_COLUMNS = ", ".join(chain.COLUMNS)
_WAS_USED = """
    select 1 where exists (select 1 from audit_head where seq > 0) or exists (select 1 from "user")
"""
_ADD_EVENT = (
    f"insert into audit_log ({_COLUMNS}, hash) "  # noqa: S608 - constants
    f"values ({', '.join('?' for _ in chain.COLUMNS)}, ?)"
)
_FIND_POSITION = "select seq from audit_log where id = ? and org_id = ?"


class AuditLog(Engine):
    """Queries of the audit log."""

    async def add_events(self, events: Sequence[AuditEvent]) -> None:
        with self.write_transaction() as connection:
            for event in events:
                insert_event(connection, event)

    async def has_data(self) -> bool:
        return self.one(_WAS_USED, ()) is not None

    async def find_event_position(self, org_id: str, event_id: str) -> int | None:
        row = self.one(_FIND_POSITION, (event_id, org_id))
        return row[0] if row else None

    def check_audit_log(
        self,
        expected_head: str | None = None,
        *,
        archives: Sequence[Path] = (),
        progress: Progress | None = None,
    ) -> ChainCheck:
        with (
            self.translated(),
            closing(self._open(create=False)) as connection,
            audit_chain.one_moment(connection),
        ):
            return audit_chain.follow(
                connection, expected_head, archives=archives, progress=progress
            )


def insert_event(connection: Connection, event: AuditEvent) -> None:
    """Store an event in the transaction of its change, as the next of the chain.

    Raises StoreUnavailable as `chain_head`.
    """
    # Not after the last row: if that was removed, the next one would hide it.
    last, previous = chain_head(connection)
    row = {
        "seq": last + 1,
        "id": event.id,
        "org_id": event.org_id,
        "env_id": event.env_id,
        "user_id": event.user_id,
        "api_key_id": event.api_key_id,
        "action": event.action,
        "resource_type": event.resource_type,
        "resource_id": event.resource_id,
        "details": to_json(event.details),
        "ip_address": event.ip_address,
        "request_id": event.request_id,
        "created_at": event.created_at,
    }
    entry_hash = chain.entry_hash(previous, row)
    connection.execute(_ADD_EVENT, (*(row[name] for name in chain.COLUMNS), entry_hash.hex()))
    connection.chain_head = last + 1, entry_hash
