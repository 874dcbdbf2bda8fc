"""A connection, its transactions, and the head of the audit log's chain inside one.

Every change adds an event to the chain, and of several in one group commit each continues the one
before. So the head is read once in a transaction and written once, before the commit.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

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
    """A write transaction, rolled back on any error."""
    connection.chain_head = None
    connection.execute("begin immediate")
    try:
        yield
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


@contextmanager
def savepoint(connection: Connection) -> Iterator[None]:
    """A savepoint in a transaction, rolled back on any error.

    Raises StoreUnavailable when SQLite has rolled the transaction back on its own (e.g. disk
    full).
    """
    if not connection.in_transaction:
        raise StoreUnavailable("the transaction was undone")
    head = connection.chain_head
    connection.execute("savepoint part")
    try:
        yield
    except BaseException:
        connection.chain_head = head
        if connection.in_transaction:
            connection.execute("rollback to part")
            connection.execute("release part")
        raise
    connection.execute("release part")
