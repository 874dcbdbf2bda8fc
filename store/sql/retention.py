"""Retention: deleting, in small batches, rows that have ended.

Every batch is a transaction of its own, so others wait for the write lock for a few milliseconds at
most, and several processes may prune at once. Rows are found by an index, and first without the
write lock, so a run that finds none is cheap.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from hookstream_keys.domain.timestamps import to_text
from hookstream_keys.store.records import Prunable
from hookstream_keys.store.sql.connection import Connection, Engine, Value
from hookstream_keys.store.sql.pending_deletions import is_pending

#: Conditions with their values.
Conditions = Sequence[tuple[str, tuple[Value, ...]]]


class Retention(Engine):
    """Pruning of rows."""

    async def prune(self, what: Prunable, before: datetime, most: int) -> int:
        conditions = self._conditions(what, before)
        if not await _find(self, what, conditions, 1):
            return 0
        async with self.write_transaction() as connection:
            if what == "environments":
                return await _delete_of_environment(connection, conditions, most)
            ids = await _find(connection, what, conditions, most)
            return await _delete(connection, _TABLES[what], ids)

    def _conditions(self, what: Prunable, before: datetime) -> Conditions:
        """Each a condition that an index serves, and its values."""
        ended: tuple[Value, ...] = (to_text(before),)
        match what:
            case "sessions" | "verifications":
                return self.expired(before)
            case "idempotency_records":
                return [("created_at <= ?", ended)]
            case "rotations":
                return [
                    ("state = 'cancelled' and cancelled_at <= ?", ended),
                    ("state = 'grace' and expires_at <= ?", ended),
                ]
            case "environments":
                # Its keys are not all revoked before.
                return [(f"deleted_at <= ? and not {is_pending('id')}", ended)]

    def expired(self, before: datetime) -> Conditions:
        """The conditions on better-auth's `expiresAt`, in each format that this engine has."""
        raise NotImplementedError


_TABLES: dict[Prunable, str] = {
    "sessions": '"session"',
    "verifications": '"verification"',
    "idempotency_records": "receipt",
    "rotations": "rotation",
    "environments": "environment",
}


async def _find(
    connection: Connection | Engine, what: Prunable, conditions: Conditions, most: int
) -> list[str | bytes]:
    found: list[str | bytes] = []
    for condition, values in conditions:
        found += await _ids(connection, _TABLES[what], condition, values, most - len(found))
    return found


async def _ids(
    connection: Connection | Engine,
    table: str,
    condition: str,
    values: tuple[Value, ...],
    most: int,
) -> list[str | bytes]:
    rows = await connection.all(
        f"select id from {table} where {condition} limit ?",  # noqa: S608 - constants
        (*values, most),
    )
    return [row[0] for row in rows]


async def _delete(connection: Connection, table: str, ids: Iterable[str | bytes]) -> int:
    return await connection.change_many(
        f"delete from {table} where id = ?",  # noqa: S608 - constants
        [(each,) for each in ids],
    )


async def _delete_of_environment(connection: Connection, conditions: Conditions, most: int) -> int:
    """Delete some rows of a deleted environment: rotations first, then keys, itself last.

    The keys' usage is deleted with them. Referring rows are deleted first, so that no delete
    cascades to more rows than these.
    """
    found = await _find(connection, "environments", conditions, 1)
    if not found:
        return 0
    keys = await _ids(connection, "api_key", "env_id = ?", (str(found[0]),), most)
    if not keys:
        return await _delete(connection, _TABLES["environments"], found)
    places = ", ".join("?" for _ in keys)
    rotations = [
        row[0]
        for row in await connection.all(
            f"select id from rotation where key_id in ({places}) limit ?",  # noqa: S608
            (*keys, most),
        )
    ]
    if rotations:
        return await _delete(connection, _TABLES["rotations"], rotations)
    return await _delete(connection, "api_key", keys)
