"""A connection for a thread that has no event loop, such as a command's."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import asyncpg

from hookstream_keys.store.errors import CommitUnknown, StoreUnavailable
from hookstream_keys.store.postgresql import background
from hookstream_keys.store.postgresql.confirmation import commit, confirmed
from hookstream_keys.store.postgresql.errors import FAILURES, translating
from hookstream_keys.store.postgresql.fencing import UNCONFIRMED
from hookstream_keys.store.postgresql.hosts import Hosts
from hookstream_keys.store.postgresql.pool import WAIT_SECONDS

#: A transaction that reads one snapshot.
SNAPSHOT = "begin isolation level repeatable read read only"

#: What a command does may take longer than a role lets its requests take.
_NO_TIMEOUTS = """
    select set_config(name, '0', false) from pg_settings where name in (
        'statement_timeout', 'lock_timeout', 'transaction_timeout', 'idle_session_timeout',
        'idle_in_transaction_session_timeout')
"""

#: A transaction that writes nothing but a message into the log, which its commit waits for.
_COMMITTED = "select pg_logical_emit_message(true, 'hookstream-keys', '')"

#: How many rows are read at once.
_PAGE = 2_000


class Session:
    """A connection, whose methods return when the database has answered."""

    def __init__(self, driver: asyncpg.Connection) -> None:
        self.driver = driver

    def execute(self, sql: str, *values: Any) -> str:
        """Execute a statement; returns its tag, as in `INSERT 0 1`."""
        tag: str = background.run(self.driver.execute(sql, *values))
        return tag

    def all(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Every row of a query."""
        return [tuple(row) for row in background.run(self.driver.fetch(sql, *values))]

    def one(self, sql: str, *values: Any) -> tuple[Any, ...] | None:
        """The first row of a query, or None."""
        row = background.run(self.driver.fetchrow(sql, *values))
        return None if row is None else tuple(row)

    def value(self, sql: str, *values: Any) -> Any:
        """The first value of a query, or None."""
        return background.run(self.driver.fetchval(sql, *values))

    def rows(self, sql: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """Every row of a query, read in pages. In a transaction only."""
        cursor = background.run(_opened(self.driver, sql, values))
        while page := background.run(cursor.fetch(_PAGE)):
            yield from map(tuple, page)

    def copy(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Add rows to a table, with COPY."""
        background.run(self.driver.copy_records_to_table(table, columns=columns, records=rows))


async def _opened(driver: asyncpg.Connection, sql: str, values: Sequence[Any]) -> Any:
    return await driver.cursor(sql, *values)


async def connected(url: str) -> asyncpg.Connection:
    """A new connection, beside those of pools, which no timeout of its role ends.

    Raises StoreUnavailable.
    """
    driver = await Hosts(url).connect(timeout=WAIT_SECONDS)
    with translating():
        await driver.execute(_NO_TIMEOUTS)
    return driver


@contextmanager
def session(url: str) -> Iterator[Session]:
    """A new connection to the database. Raises StoreUnavailable, here and in the block."""
    with translating():
        driver = background.run(connected(url))
        try:
            yield Session(driver)
        finally:
            try:
                background.run(driver.close(timeout=WAIT_SECONDS))
            except FAILURES:
                driver.terminate()


def require_confirming(database: Session) -> None:
    """Raise StoreUnavailable unless a commit is confirmed soon: others would wait without end."""
    try:
        with confirmed(database.driver):
            background.run(database.driver.execute(_COMMITTED, timeout=WAIT_SECONDS))
    except (TimeoutError, CommitUnknown):
        raise StoreUnavailable(f"the database does not confirm a change: {UNCONFIRMED}") from None


@contextmanager
def transaction(database: Session, begin: str = "begin") -> Iterator[None]:
    """A transaction, rolled back on any error.

    Raises StoreUnavailable when it was undone, and CommitUnknown as `confirmed`.
    """
    database.execute(begin)
    try:
        yield
    except BaseException:
        # Where it fails, what ended the block is the answer.
        with suppress(*FAILURES):
            if not database.driver.is_closed() and database.driver.is_in_transaction():
                database.execute("rollback")
        raise
    try:
        with confirmed(database.driver):
            tag = background.run(commit(database.driver))
    except KeyboardInterrupt:
        # It goes on at the server, where it may wait for a standby.
        raise CommitUnknown("the command was interrupted while a commit was waited for") from None
    if tag != "COMMIT":
        raise StoreUnavailable("the transaction was undone")
