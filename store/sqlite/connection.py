"""A connection, its transactions, and the head of the audit log's chain inside one.

Every change adds an event to the chain, and of several in one group commit each continues the one
before. So the head is read once in a transaction and written once, before the commit.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import NoReturn

from hookstream_keys.store.errors import StoreUnavailable, UniqueViolation
from hookstream_keys.store.sql.connection import Row, Value, Values


class Connection(sqlite3.Connection):
    """A connection of the store's."""

    #: `seq` and hash of the last event that this transaction added; None where it added none.
    added_head: tuple[int, bytes] | None = None

    async def one(self, sql: str, values: Values = ()) -> Row | None:
        """The first row of a statement, or None."""
        row: Row | None = self.execute(sql, values).fetchone()
        return row

    async def row(self, sql: str, values: Values = ()) -> Row:
        """The row of a statement that always has one."""
        row: Row = self.execute(sql, values).fetchone()
        return row

    async def all(self, sql: str, values: Values = ()) -> list[Row]:
        """Every row of a statement."""
        return self.execute(sql, values).fetchall()

    async def change(self, sql: str, values: Values = ()) -> int:
        """Execute a statement; returns how many rows it has changed."""
        return self.execute(sql, values).rowcount

    async def insert(self, sql: str, _: str, values: Sequence[Value]) -> int:
        """Insert a row; returns how many that were."""
        return self.execute(sql, values).rowcount

    async def change_many(self, sql: str, values: Sequence[Values]) -> int:
        """Execute a statement for each of these; returns how many rows that has changed."""
        return self.executemany(sql, values).rowcount

    @contextmanager
    def unique(self, column: str) -> Iterator[None]:
        """A block that raises UniqueViolation where another row has the value of `column`."""
        try:
            yield
        except sqlite3.IntegrityError as error:
            is_unique = error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_UNIQUE
            if is_unique and str(error).endswith(f".{column}"):
                raise UniqueViolation(column) from error
            raise

    async def lock(self, _: str) -> None:
        """Nothing: only one transaction writes at a time."""

    lock_user = lock

    async def chain_head(self, _: str) -> tuple[int, bytes]:
        """`seq` and hash of the last event: all organizations are in one chain.

        Raises StoreUnavailable when the head is damaged: what cannot be recorded is not done.
        """
        return self.added_head or stored_head(self)

    async def move_chain_head(self, _: str, seq: int, entry_hash: bytes) -> None:
        """Record that this event is the last one; it is written before the commit."""
        self.added_head = seq, entry_hash

    async def insert_event(self, sql: str, values: Sequence[Value]) -> None:
        """Insert an event."""
        self.execute(sql, values)

    async def entry_hash(self, _: str, seq: int) -> str | None:
        """The hash of an event in hexadecimal; None where there is none."""
        row = self.execute("select hash from audit_log where seq = ?", (seq,)).fetchone()
        return None if row is None else str(row[0])


def connect(database: str, **options: object) -> Connection:
    """Open a connection, in which only `transaction` begins transactions."""
    return sqlite3.connect(database, isolation_level=None, factory=Connection, **options)  # type: ignore[call-overload, no-any-return]


def stored_head(connection: Connection) -> tuple[int, bytes]:
    """`seq` and hash of the last event of the audit log before this transaction.

    Raises StoreUnavailable when the head is damaged.
    """
    try:
        seq, entry_hash = connection.execute("select seq, hash from audit_head").fetchone()
        return seq, bytes.fromhex(entry_hash)
    except (TypeError, ValueError):
        raise StoreUnavailable(
            "the head of the audit log is gone or damaged; run hookstream-keys audit verify"
        ) from None


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """A write transaction, rolled back on any error.

    Raises StoreUnavailable when SQLite has rolled it back on its own (e.g. disk full).
    """
    connection.added_head = None
    connection.execute("begin immediate")
    try:
        yield
        if not connection.in_transaction:
            # Its events are gone: stored now, the head would name one that does not exist.
            raise StoreUnavailable("the transaction was undone")  # noqa: TRY301 - a function more for each write
        if connection.added_head is not None:
            seq, entry_hash = connection.added_head
            connection.execute("update audit_head set seq = ?, hash = ?", (seq, entry_hash.hex()))
        connection.execute("commit")
    except BaseException:
        if connection.in_transaction:
            connection.execute("rollback")
        raise
    finally:
        connection.added_head = None


class Savepoint:
    """A savepoint in a transaction, rolled back on any error.

    A class, since every write has one: a generator takes twice as long. Entering raises
    StoreUnavailable when SQLite has rolled the transaction back on its own (e.g. disk full).
    Errors of SQLite are raised as `translate` maps them.
    """

    __slots__ = ("_connection", "_head", "_translate")

    def __init__(self, connection: Connection, translate: Callable[[Exception], NoReturn]) -> None:
        self._connection = connection
        self._translate = translate
        self._head: tuple[int, bytes] | None = None

    async def __aenter__(self) -> Connection:
        connection = self._connection
        if not connection.in_transaction:
            raise StoreUnavailable("the transaction was undone")
        self._head = connection.added_head
        try:
            connection.execute("savepoint part")
        except sqlite3.Error as error:
            self._translate(error)
        return connection

    async def __aexit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        connection = self._connection
        try:
            if error is not None:
                connection.added_head = self._head
                if connection.in_transaction:
                    connection.execute("rollback to part")
                    connection.execute("release part")
            else:
                connection.execute("release part")
        except sqlite3.Error as failure:
            self._translate(failure)
        if isinstance(error, sqlite3.Error | OSError):
            self._translate(error)
