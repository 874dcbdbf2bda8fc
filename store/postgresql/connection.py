"""A connection inside a transaction, and the heads of the organizations' chains in it.

Every organization has a chain of events of its own, so that those of two need not wait for each
other. Its row of `audit_head` is the lock of the organization, too: a write takes it first, so
what it reads afterwards cannot change before its commit. As on SQLite, a head is read once in a
transaction and written once, before the commit.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import asyncpg

from hookstream_keys.store import chain
from hookstream_keys.store.errors import StoreUnavailable, UniqueViolation
from hookstream_keys.store.postgresql.dialect import Translated, translated
from hookstream_keys.store.postgresql.pending import Pending
from hookstream_keys.store.sql.connection import Row, Value, Values

_LOCK = "select seq, hash from audit_head where org_id = $1 for update"
#: A chain begins after the trunk. Not where the organization has events of its own already: then
#: its head was removed, which is damage.
_FIRST_HEAD = """
    insert into audit_head (org_id, seq, hash)
    select $1, t.seq, t.hash from audit_trunk t
    where not exists (select 1 from audit_log where org_id = $1 and seq > t.seq)
    on conflict (org_id) do nothing
"""
_MOVE = "update audit_head set seq = $2, hash = $3 where org_id = $1"
_ADD_EVENT = (
    f"insert into audit_log ({', '.join(chain.COLUMNS)}, hash)"  # noqa: S608 - constants
    f" values ({', '.join(f'${place}' for place in range(1, len(chain.COLUMNS) + 2))})"
)
_ORG_ID = chain.COLUMNS.index("org_id")
#: The only statements after which keys and environments that were read are as they were.
_KEEPS_KNOWN = ("select ", "insert into api_key ", "insert into receipt ")
_ENTRY_HASH = "select hash from audit_log where org_id = $1 and seq = $2"


class Connection:
    """A connection in a transaction of the store's."""

    def __init__(self, driver: asyncpg.Connection) -> None:
        #: The head of each organization that is locked, and those that this transaction moved.
        self.heads: dict[str, tuple[int, bytes]] = {}
        self.moved: set[str] = set()
        #: The events that are inserted before the commit, all at once; nothing reads them before.
        self.events: list[Sequence[Value]] = []
        #: What was read under a lock and cannot have changed since, by what asked for it.
        self.known: dict[tuple[Any, ...], Any] = {}
        #: What is sent before the next statement.
        self.pending = Pending(driver)
        #: The hashes of events of earlier transactions, or None, by organization and `seq`.
        self._entry_hashes: dict[tuple[str, int], str | None] = {}
        self._driver = driver

    async def driver(self) -> asyncpg.Connection:
        """The driver's connection, for a statement."""
        await self.pending.send()
        return self._driver

    async def one(self, sql: str, values: Values = ()) -> Row | None:
        """The first row of a statement, or None."""
        statement = self._statement(sql)
        row = await (await self.driver()).fetchrow(statement.sql, *statement.bound(values))
        return None if row is None else tuple(row)

    async def row(self, sql: str, values: Values = ()) -> Row:
        """The row of a statement that always has one."""
        row = await self.one(sql, values)
        if row is None:
            raise LookupError(f"no row: {sql}")
        return row

    async def all(self, sql: str, values: Values = ()) -> list[Row]:
        """Every row of a statement."""
        statement = self._statement(sql)
        found = await (await self.driver()).fetch(statement.sql, *statement.bound(values))
        return [tuple(row) for row in found]

    async def change(self, sql: str, values: Values = ()) -> int:
        """Execute a statement; returns how many rows it has changed."""
        statement = self._statement(sql)
        driver = await self.driver()
        return rows_changed(await driver.execute(statement.sql, *statement.bound(values)))

    async def insert(self, sql: str, table: str, values: Sequence[Value]) -> int:
        """Insert a row before the next statement, together with others; returns 1."""
        self.pending.insert(sql, table, values)
        return 1

    async def change_many(self, sql: str, values: Sequence[Values]) -> int:
        """Execute a statement for each of these; returns how many rows that has changed."""
        statement = self._statement(sql)
        # In one message: an answer to each would be awaited before the next one is sent.
        rows = await (await self.driver()).fetchmany(
            f"{statement.sql} returning 1", [statement.bound(each) for each in values]
        )
        return len(rows)

    @contextmanager
    def unique(self, column: str) -> Iterator[None]:
        """A block that raises UniqueViolation where another row has the value of `column`."""
        try:
            yield
        except asyncpg.UniqueViolationError as error:
            # The name of a constraint ends in that of its last column and `_key`.
            if str(error.constraint_name).endswith(f"_{column}_key"):
                raise UniqueViolation(column) from error
            raise

    async def lock(self, org_id: str) -> None:
        """From here on, no other transaction that names this organization runs beside this."""
        await self.chain_head(org_id)

    async def lock_user(self, user_id: str) -> None:
        """From here on, no other transaction that locks this user runs beside this."""
        await (await self.driver()).execute(
            'select 1 from "user" where id = $1 for update', user_id
        )

    async def chain_head(self, org_id: str) -> tuple[int, bytes]:
        """`seq` and hash of the organization's last event, which this transaction locks.

        Raises StoreUnavailable when the head is damaged.
        """
        head = self.heads.get(org_id)
        if head is None:
            head = self.heads[org_id] = await self._locked_head(org_id)
        return head

    async def move_chain_head(self, org_id: str, seq: int, entry_hash: bytes) -> None:
        """Record that this event is the last one; it is written before the commit."""
        self.heads[org_id] = seq, entry_hash
        self.moved.add(org_id)

    async def insert_event(self, _: str, values: Sequence[Value]) -> None:
        """Insert an event before the commit."""
        self.events.append(values)

    async def entry_hash(self, org_id: str, seq: int) -> str | None:
        """The hash of an event in hexadecimal; None where there is none."""
        for event in reversed(self.events):
            if (event[_ORG_ID], event[0]) == (org_id, seq):
                return str(event[-1])
        if (org_id, seq) not in self._entry_hashes:
            # Under the organization's lock, and not one of what is pending: that stays in bulk.
            self._entry_hashes[org_id, seq] = await self._driver.fetchval(_ENTRY_HASH, org_id, seq)
        return self._entry_hashes[org_id, seq]

    async def finish(self) -> None:
        """Insert the events, and write the heads that they have moved, before the commit."""
        await self.pending.send()
        if self.events:
            await (await self.driver()).executemany(_ADD_EVENT, self.events)
            self.events.clear()
        for org_id in sorted(self.moved):
            seq, entry_hash = self.heads[org_id]
            await (await self.driver()).execute(_MOVE, org_id, seq, entry_hash.hex())
        self.moved.clear()

    def _statement(self, sql: str) -> Translated:
        """The statement; what was read is forgotten where it may change that."""
        if not sql.lstrip().startswith(_KEEPS_KNOWN):
            self.known.clear()
        return translated(sql)

    async def _locked_head(self, org_id: str) -> tuple[int, bytes]:
        found = await (await self.driver()).fetchrow(_LOCK, org_id)
        if found is None:
            await (await self.driver()).execute(_FIRST_HEAD, org_id)
            found = await (await self.driver()).fetchrow(_LOCK, org_id)
        try:
            seq, entry_hash = found
            return seq, bytes.fromhex(entry_hash)
        except (TypeError, ValueError):
            raise StoreUnavailable(
                "a head of the audit log is gone or damaged; run hookstream-keys audit verify"
            ) from None


def rows_changed(tag: str) -> int:
    """How many rows a command's tag says were changed, as in `INSERT 0 1`."""
    return int(tag.rpartition(" ")[2])
