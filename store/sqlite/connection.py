"""A connection, its transactions, and the head of the audit log's chain inside one.

Every change adds an event to the chain, and of several in one group commit each continues the one
before. So the head is read once in a transaction and written once, before the commit.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import NoReturn

from hookstream_keys.store.errors import StoreUnavailable


class Connection(sqlite3.Connection):
    """A connection of the store's."""

    #: `seq` and hash of the last event that this transaction added; None where it added none.
    chain_head: tuple[int, bytes] | None = None


def connect(database: str, **options: object) -> Connection:
    """Open a connection, in which only `transaction` begins transactions."""
    return sqlite3.connect(database, isolation_level=None, factory=Connection, **options)  # type: ignore[call-overload, no-any-return]


def chain_head(connection: Connection) -> tuple[int, bytes]:
    """`seq` and hash of the last event of the audit log, in this transaction.

    Raises StoreUnavailable when the head is damaged: what cannot be recorded is not done.
    """
    if connection.chain_head is not None:
        return connection.chain_head
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
    connection.chain_head = None
    connection.execute("begin immediate")
    try:
        yield
        if not connection.in_transaction:
            # Its events are gone: stored now, the head would name one that does not exist.
            raise StoreUnavailable("the transaction was undone")  # noqa: TRY301 - a function more for each write
        if connection.chain_head is not None:
            seq, entry_hash = connection.chain_head
            connection.execute("update audit_head set seq = ?, hash = ?", (seq, entry_hash.hex()))
        connection.execute("commit")
    except BaseException:
        if connection.in_transaction:
            connection.execute("rollback")
        raise
    finally:
        connection.chain_head = None


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

    def __enter__(self) -> Connection:
        connection = self._connection
        if not connection.in_transaction:
            raise StoreUnavailable("the transaction was undone")
        self._head = connection.chain_head
        try:
            connection.execute("savepoint part")
        except sqlite3.Error as error:
            self._translate(error)
        return connection

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        connection = self._connection
        try:
            if error is not None:
                connection.chain_head = self._head
                if connection.in_transaction:
                    connection.execute("rollback to part")
                    connection.execute("release part")
            else:
                connection.execute("release part")
        except sqlite3.Error as failure:
            self._translate(failure)
        if isinstance(error, sqlite3.Error | OSError):
            self._translate(error)
