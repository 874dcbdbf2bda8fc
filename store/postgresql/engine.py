"""Transactions on PostgreSQL.

What a coroutine asks inside a transaction goes to the connection of that, by a context variable;
everything else to any connection of the pool. Isolation is READ COMMITTED: each statement sees
what was committed before it, and a write locks its organization first, so from then on nothing of
it changes.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from typing import Any, NamedTuple

import asyncpg

from hookstream_keys.store.aside import Aside, Result
from hookstream_keys.store.errors import (
    CommitUnknown,
    QueryTimeout,
    StoreError,
    StoreUnavailable,
    TransactionConflict,
)
from hookstream_keys.store.postgresql import background, fencing, migrations, moves
from hookstream_keys.store.postgresql.confirmation import commit, confirmed
from hookstream_keys.store.postgresql.connection import Connection
from hookstream_keys.store.postgresql.errors import FAILURES, translating
from hookstream_keys.store.postgresql.fencing import Fence
from hookstream_keys.store.postgresql.hosts import Hosts
from hookstream_keys.store.postgresql.lookups import Lookups
from hookstream_keys.store.postgresql.pool import Pool
from hookstream_keys.store.postgresql.replicas import Replica, Replicas
from hookstream_keys.store.postgresql.session import connected
from hookstream_keys.store.sql.connection import Engine, Row, Value, Values

#: How many connections a process has at most, beside those of its rate limits.
MAX_CONNECTIONS = 10

#: For how long the answer to a query that was begun ahead is used, in seconds.
AHEAD_SECONDS = 0.1

_TRY_TO_ADD = "insert into receipt (id, fingerprint, sealed, created_at) values ($1, $1, $1, '')"
_TRY_TO_DELETE = "delete from receipt where id = $1"


class PostgresqlEngine(Engine):
    """The base class of this engine's parts: transactions on the database at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.fence = Fence()
        #: None, unless the operator names them.
        self.replicas = Replicas()
        self.hosts = Hosts(url)
        self._pool = Pool(self.hosts, MAX_CONNECTIONS, self.fence)
        self._lookups = Lookups(self._pool)
        self._transaction: ContextVar[Connection | None] = ContextVar("transaction", default=None)
        self._ends: ContextVar[float | None] = ContextVar("ends", default=None)
        #: The answers to come of `begin`, each for the first that asks.
        self._begun: ContextVar[dict[tuple[str, Values], _Asked] | None] = ContextVar(
            "begun", default=None
        )
        self._wrote_at = float("-inf")

    def migrate(self) -> list[str]:
        return background.run(self._migrate())

    def is_new(self) -> bool:
        """Whether no version has migrated it yet."""
        return background.run(self._is_new())

    async def check(self, *, newer: bool = False) -> None:
        with translating():
            async with self._pool.borrowed() as driver:
                await moves.require_home(driver)
                if await migrations.pending(driver, newer=newer):
                    raise StoreUnavailable("the database is not migrated; run init")
        self.fence.require_confirmed()

    def wrote_within(self, seconds: float) -> bool:
        return time.monotonic() - self._wrote_at < seconds

    async def try_to_write(self) -> None:
        # Of this try only, so that several do not wait for each other.
        probe = secrets.token_bytes(32)
        async with self.write_transaction() as connection:
            driver = await connection.driver()
            await driver.execute(_TRY_TO_ADD, probe)
            await driver.execute(_TRY_TO_DELETE, probe)

    async def confirm_earlier(self) -> None:
        # A commit that was not confirmed is seen all the same; a later one waits for both.
        await self.try_to_write()

    def close(self) -> None:
        self._pool.close()
        self.replicas.close()

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        return background.run(coroutine)

    async def all(self, sql: str, values: Values = ()) -> list[Row]:
        """Every row of a query."""
        with translating():
            async with self._connection() as connection:
                return await self._confirmed(connection.all(sql, values))

    async def one(self, sql: str, values: Values) -> Row | None:
        """The first row of a query, or None: asked together with others of the same turn."""
        if self._transaction.get() is None and self._ends.get() is None:
            return await self._looked_up(sql, values)
        with translating():
            async with self._connection() as connection:
                return await self._confirmed(connection.one(sql, values))

    def begin(self, sql: str, asked: Sequence[tuple[Value, ...]]) -> None:
        if self._transaction.get() is not None:
            return
        begun = dict(self._begun.get() or {})
        for values in dict.fromkeys(asked):
            begun[sql, values] = self._asked(sql, values)
        self._begun.set(begun)

    def write_transaction(
        self, org_id: str | None = None
    ) -> AbstractAsyncContextManager[Connection]:
        """A write transaction, rolled back on any error; in `group_commit` a savepoint."""
        current = self._transaction.get()
        return self._durable(org_id) if current is None else _savepoint(current, org_id)

    @asynccontextmanager
    async def group_commit(self) -> AsyncIterator[None]:
        async with self._durable() as connection:
            token = self._transaction.set(connection)
            try:
                yield
            finally:
                self._transaction.reset(token)

    async def read_beside(
        self, read: Callable[[], Coroutine[Any, Any, Result]], _: Aside
    ) -> Result:
        return await read()

    def is_in_write_transaction(self) -> bool:
        return self._transaction.get() is not None

    @contextmanager
    def deadline(self, seconds: float) -> Iterator[None]:
        token = self._ends.set(time.monotonic() + seconds)
        try:
            yield
        finally:
            self._ends.reset(token)

    def forbid_writes(self) -> None:
        """Nothing: a write holds no thread up."""

    async def _migrate(self) -> list[str]:
        with translating():
            driver = await connected(self.url)
            try:
                await moves.require_home(driver)
                return await migrations.migrate(driver)
            finally:
                await driver.close()

    async def _is_new(self) -> bool:
        with translating():
            driver = await connected(self.url)
            try:
                await moves.require_home(driver)
                return await migrations.is_new(driver)
            finally:
                await driver.close()

    @asynccontextmanager
    async def _durable(
        self, org_id: str | None = None, *, waits: bool = True
    ) -> AsyncIterator[Connection]:
        """A transaction that is durable when it ends.

        It `waits` for what fencing demands of changes that are acknowledged.
        """
        with translating():
            if waits:
                # It would wait for a standby in vain, and not be known to be stored.
                self.fence.require_confirmed()
            async with self._pool.borrowed() as driver:
                if waits:
                    await self.fence.wait_until_settled(driver)
                with confirmed(driver):
                    async with _transaction(driver):
                        connection = Connection(driver)
                        if org_id is not None:
                            await connection.lock(org_id)
                        yield connection
                        await connection.finish()
                if waits:
                    await self._wait_until_applied(driver)
                self._wrote_at = time.monotonic()

    async def _wait_until_applied(self, driver: fencing.Connection) -> None:
        try:
            await self.fence.wait_until_applied(driver)
        except FAILURES as error:
            raise CommitUnknown("the connection ended just after a commit") from error

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        """The connection of the transaction, or any."""
        current = self._transaction.get()
        if current is not None:
            yield current
            return
        async with self._pool.borrowed() as driver:
            yield Connection(driver)

    async def _looked_up(self, sql: str, values: Values) -> Row | None:
        """The first row of a query, or None, of a replica or the primary."""
        asked = self._taken(sql, values) or self._asked(sql, values)
        if asked.of is not None:
            try:
                row = await asked.answer
                asked.of.require_current()
            except StoreError:
                # Whatever it is, such as changes that a query there was in the way of.
                asked.of.give_up()
                asked = _Asked(None, self._lookups.one(sql, values), time.monotonic())
            else:
                return row
        row = await asked.answer
        self.fence.require_confirmed()
        return row

    def _asked(self, sql: str, values: Values) -> "_Asked":
        replica = self.replicas.current()
        lookups = self._lookups if replica is None else replica.lookups
        return _Asked(replica, lookups.one(sql, values), time.monotonic())

    def _taken(self, sql: str, values: Values) -> "_Asked | None":
        """The query that was begun, if it was."""
        begun = self._begun.get()
        asked = begun.pop((sql, values), None) if begun and isinstance(values, tuple) else None
        # A request that has waited meanwhile has to know what others have changed.
        return asked if asked and time.monotonic() - asked.since <= AHEAD_SECONDS else None

    async def _confirmed(self, asked: Coroutine[Any, Any, Result]) -> Result:
        """What a read returns, if the primary was confirmed when it did."""
        answer = await self._until_deadline(asked)
        # Inside a transaction as well: its request may answer without a commit that says so.
        self.fence.require_confirmed()
        return answer

    async def _until_deadline(self, asked: Coroutine[Any, Any, Result]) -> Result:
        ends = self._ends.get()
        if ends is None:
            return await asked
        try:
            return await asyncio.wait_for(asked, max(0.0, ends - time.monotonic()))
        except TimeoutError:
            raise QueryTimeout("a query took until its deadline, and was stopped") from None


class _Asked(NamedTuple):
    """A query on its way."""

    #: The replica that it was asked of; None for the primary.
    of: Replica | None
    answer: asyncio.Future[Row | None]
    #: When, by `time.monotonic`.
    since: float


@asynccontextmanager
async def _transaction(driver: asyncpg.Connection) -> AsyncIterator[None]:
    """A transaction, rolled back on any error.

    Raises TransactionConflict where it was rolled back on its own, after a statement in it failed:
    the commit says so by its tag only.
    """
    await driver.execute("begin")
    try:
        yield
        if await commit(driver) != "COMMIT":
            raise TransactionConflict("the transaction was undone")  # noqa: TRY301 - rolled back
    except BaseException:
        # Where the connection has ended, this fails, too; what ended it is the answer.
        with suppress(*FAILURES):
            if not driver.is_closed() and driver.is_in_transaction():
                await driver.execute("rollback")
        raise


@asynccontextmanager
async def undurable(driver: asyncpg.Connection) -> AsyncIterator[None]:
    """A transaction whose commit waits for no disk: a crash may undo it."""
    async with _transaction(driver):
        await driver.execute("set local synchronous_commit = off")
        yield


@asynccontextmanager
async def _savepoint(connection: Connection, org_id: str | None) -> AsyncIterator[Connection]:
    """A savepoint in a transaction, rolled back on any error."""
    before = dict(connection.heads), set(connection.moved), len(connection.events)
    with translating():
        name = connection.pending.savepoint()
        try:
            if org_id is not None:
                await connection.lock(org_id)
            yield connection
        except BaseException:
            # The locks that it took are released with it.
            connection.heads, connection.moved = before[:2]
            del connection.events[before[2] :]
            connection.known.clear()
            await connection.pending.roll_back(name)
            raise
        connection.pending.release(name)
