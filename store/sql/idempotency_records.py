"""Idempotency records, which answer a repeated request for a day.

They are stored in the transaction of the change, and pruned later: `retention`.
"""

from datetime import datetime, timedelta

from hookstream_keys.domain.timestamps import to_text
from hookstream_keys.store.errors import IdempotentReplay, StoreUnavailable
from hookstream_keys.store.records import IdempotencyRecord
from hookstream_keys.store.sql.connection import Connection

KEPT = timedelta(days=1)

_FIND = "select id, fingerprint, sealed, created_at from receipt where id = ?"
_FORGET = "delete from receipt where id = ? and created_at <= ?"
#: Adds nothing where another transaction has added it meanwhile.
_ADD = """
    insert into receipt (id, fingerprint, sealed, created_at) values (?, ?, ?, ?)
    on conflict (id) do nothing
"""


async def insert_idempotency_record(connection: Connection, record: IdempotencyRecord) -> None:
    """Store a record in the transaction of its change, before that.

    Raises IdempotentReplay when a record with this id, or its id under an older secret, exists and
    is not too old, and StoreUnavailable when another transaction has just changed it.
    """
    forgotten = to_text(datetime.fromisoformat(record.created_at) - KEPT)
    for known_by in (record.id, *record.also):
        await connection.change(_FORGET, (known_by, forgotten))
        await _refuse_replay(connection, known_by)
    values = (record.id, record.fingerprint, record.sealed, record.created_at)
    if await connection.change(_ADD, values) == 0:
        await _refuse_replay(connection, record.id)
        raise StoreUnavailable("an idempotency record was added and removed meanwhile")


async def _refuse_replay(connection: Connection, record_id: bytes) -> None:
    row = await connection.one(_FIND, (record_id,))
    if row is not None:
        raise IdempotentReplay(IdempotencyRecord(*row))
