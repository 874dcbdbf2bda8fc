"""The audit log."""

from collections.abc import Sequence

from hookstream_keys.store import chain
from hookstream_keys.store.records import AuditEvent
from hookstream_keys.store.sql.connection import Connection, Engine, Value
from hookstream_keys.store.sql.text import to_json

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
        async with self.write_transaction() as connection:
            for event in events:
                await insert_event(connection, event)

    async def has_data(self) -> bool:
        return await self.one(_WAS_USED, ()) is not None

    async def find_event_position(self, org_id: str, event_id: str) -> int | None:
        row = await self.one(_FIND_POSITION, (event_id, org_id))
        return row[0] if row else None


async def insert_event(connection: Connection, event: AuditEvent) -> None:
    """Store an event in the transaction of its change, as the next of the chain.

    Raises StoreUnavailable as `Connection.chain_head`.
    """
    # Not after the last row: if that was removed, the next one would hide it.
    last, previous = await connection.chain_head(event.org_id)
    row: dict[str, Value] = {
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
    values = (*(row[name] for name in chain.COLUMNS), entry_hash.hex())
    await connection.insert_event(_ADD_EVENT, values)
    await connection.move_chain_head(event.org_id, last + 1, entry_hash)
