"""Retention: deleting, in small batches, rows that have ended.

Every batch is a transaction of its own, so others wait for the write lock for a few milliseconds at
most, and several processes may prune at once. Rows are found by an index, and first without the
write lock, so a run that finds none is cheap.
"""

import sqlite3
from collections.abc import Iterable
from datetime import datetime, timedelta

from hookstream_keys.domain.timestamps import to_text
from hookstream_keys.store.records import Prunable
from hookstream_keys.store.sqlite.engine import Engine
from hookstream_keys.store.sqlite.pending_deletions import is_pending


class Retention(Engine):
    """Pruning of rows."""

    async def prune(self, what: Prunable, before: datetime, most: int) -> int:
        with self.translated():
            if not _find(self.connection(), what, before, 1):
                return 0
        with self.write_transaction() as connection:
            if what == "environments":
                return _delete_of_environment(connection, before, most)
            ids = _find(connection, what, before, most)
            return _delete(connection, _TABLES[what], ids)


_TABLES: dict[Prunable, str] = {
    "sessions": '"session"',
    "verifications": '"verification"',
    "idempotency_records": "receipt",
    "rotations": "rotation",
    "environments": "environment",
}


def _find(
    connection: sqlite3.Connection, what: Prunable, before: datetime, most: int
) -> list[str | bytes]:
    match what:
        case "sessions" | "verifications":
            return _find_expired(connection, _TABLES[what], before, most)
        case "idempotency_records":
            conditions = ["created_at <= ?"]
        case "rotations":
            conditions = [
                "state = 'cancelled' and cancelled_at <= ?",
                "state = 'grace' and expires_at <= ?",
            ]
        case "environments":
            # Its keys are not all revoked before.
            conditions = [f"deleted_at <= ? and not {is_pending('id')}"]
    found: list[str | bytes] = []
    for condition in conditions:
        found += _ids(connection, _TABLES[what], condition, (to_text(before),), most - len(found))
    return found


def _find_expired(
    connection: sqlite3.Connection, table: str, before: datetime, most: int
) -> list[str | bytes]:
    """Expired rows of better-auth, in each format in which its adapters store a time.

    The index has numbers, milliseconds, before texts. Of texts it has ISO 8601 in UTC in the order
    of time. Other forms of it are in that order but for less than a day, since a date comes first.
    """
    day_before, now = to_text(before - timedelta(days=1)), to_text(before)
    found: list[str | bytes] = []
    for condition, values in (
        # A text that SQLite does not take for a number; the column would make it one.
        ('"expiresAt" >= \'0000-\' and "expiresAt" < ?', (day_before,)),
        ('"expiresAt" between ? and ? and "expiresAt" glob \'*T*Z\'', (day_before, now)),
        ('"expiresAt" <= ?', (int(before.timestamp() * 1000),)),
    ):
        found += _ids(connection, table, condition, values, most - len(found))
    return found


def _ids(
    connection: sqlite3.Connection,
    table: str,
    condition: str,
    values: tuple[str | int, ...],
    most: int,
) -> list[str | bytes]:
    rows = connection.execute(
        f"select id from {table} where {condition} limit ?",  # noqa: S608 - constants
        (*values, most),
    )
    return [row[0] for row in rows]


def _delete(connection: sqlite3.Connection, table: str, ids: Iterable[str | bytes]) -> int:
    done = connection.executemany(
        f"delete from {table} where id = ?",  # noqa: S608 - constants
        [(each,) for each in ids],
    )
    return done.rowcount


def _delete_of_environment(connection: sqlite3.Connection, before: datetime, most: int) -> int:
    """Delete some rows of a deleted environment: rotations first, then keys, itself last.

    The keys' usage is deleted with them. Referring rows are deleted first, so that no delete
    cascades to more rows than these.
    """
    found = _find(connection, "environments", before, 1)
    if not found:
        return 0
    keys = _ids(connection, "api_key", "env_id = ?", (str(found[0]),), most)
    if not keys:
        return _delete(connection, _TABLES["environments"], found)
    places = ", ".join("?" for _ in keys)
    rotations = [
        row[0]
        for row in connection.execute(
            f"select id from rotation where key_id in ({places}) limit ?",  # noqa: S608
            (*keys, most),
        )
    ]
    if rotations:
        return _delete(connection, _TABLES["rotations"], rotations)
    return _delete(connection, "api_key", keys)
