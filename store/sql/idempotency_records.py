"""Idempotency records, which answer a repeated request for a day.

They are stored in the transaction of the change, and pruned later: `retention`.
"""

from datetime import datetime, timedelta

from hookstream_keys.domain.timestamps import to_text
from hookstream_keys.store.errors import IdempotentReplay
from hookstream_keys.store.records import IdempotencyRecord
from hookstream_keys.store.sql.connection import Connection

KEPT = timedelta(days=1)

_FIND = "select id, fingerprint, sealed, created_at from receipt where id = ?"
_FORGET = "delete from receipt where id = ? and created_at <= ?"
_ADD = "insert into receipt (id, fingerprint, sealed, created_at) values (?, ?, ?, ?)"


async def insert_idempotency_record(connection: Connection, record: IdempotencyRecord) -> None:
    """Store a record in the transaction of its change, before that.

    Raises IdempotentReplay when a record with this id, or its id under an older secret, exists and
    is not too old.
    """
    forgotten = to_text(datetime.fromisoformat(record.created_at) - KEPT)
    for known_by in (record.id, *record.also):
        await connection.change(_FORGET, (known_by, forgotten))
        row = await connection.one(_FIND, (known_by,))
        if row is not None:
            raise IdempotentReplay(IdempotencyRecord(*row))
    values = (record.id, record.fingerprint, record.sealed, record.created_at)
    await connection.change(_ADD, values)
