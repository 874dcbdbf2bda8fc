"""A snapshot of the audit log: its chain, its head and the anchor that it begins after."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hookstream_keys.store import archive, chain
from hookstream_keys.store.records import ChainCheck, Progress

_COLUMNS = ", ".join(chain.COLUMNS)
_HEAD = "select seq, hash from audit_head"
_ANCHOR = "select seq, hash from audit_anchor"
_ROWS = f"select {_COLUMNS}, hash from audit_log where seq <= ? order by seq"  # noqa: S608

#: The largest integer of SQLite, so that all rows are included.
_ALL = 2**63 - 1
#: Progress is reported once per so many rows.
STEP = 1_000


@contextmanager
def one_moment(connection: sqlite3.Connection) -> Iterator[None]:
    """A read transaction: everything that is read in the block is one snapshot.

    Texts that are not UTF-8 are read as well, with surrogates: only a fault can be one.
    """
    ordinary = connection.text_factory
    connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    connection.execute("begin")
    try:
        yield
    finally:
        connection.execute("rollback")
        connection.text_factory = ordinary


def follow(
    connection: sqlite3.Connection,
    expected_head: str | None = None,
    *,
    archives: Sequence[Path] = (),
    visit: Callable[[chain.Row], None] | None = None,
    progress: Progress | None = None,
) -> ChainCheck:
    """`Store.check_audit_log` on a connection, inside a read transaction.

    `visit` is called with each row that continues the chain. Raises ArchiveRefused.
    """
    head, anchor = connection.execute(_HEAD).fetchone(), anchor_of(connection)
    if progress is not None:
        visit = _telling(progress, visit, _total(head, anchor, whole=bool(archives)))

    def read() -> Iterator[chain.Row]:
        return rows(connection)

    if archives:
        return archive.check(archives, read, head, expected_head, anchor, visit)
    return chain.check(read, head, expected_head, anchor, visit)


def rows(connection: sqlite3.Connection, through: int = _ALL) -> Iterator[chain.Row]:
    """The rows of the log in order, up to `through`."""
    yield from connection.execute(_ROWS, (through,))


def anchor_of(connection: sqlite3.Connection) -> chain.Anchor:
    """The anchor that the rows begin after; a missing or damaged one counts as none."""
    row = connection.execute(_ANCHOR).fetchone()
    try:
        bytes.fromhex(row[1])
        return chain.Anchor(int(row[0]), str(row[1]))
    except (TypeError, ValueError):
        return chain.BEGINNING


def _total(head: chain.Row | None, anchor: chain.Anchor, *, whole: bool) -> int:
    last = head[0] if head and isinstance(head[0], int) else 0
    return max(0, last - (0 if whole else anchor.seq))


def _telling(
    progress: Progress, visit: Callable[[chain.Row], None] | None, total: int
) -> Callable[[chain.Row], None]:
    """`visit`, with reports of progress."""
    done = 0

    def visit_and_tell(row: chain.Row) -> None:
        nonlocal done
        done += 1
        if done % STEP == 0:
            progress("audit log", done, total)
        if visit is not None:
            visit(row)

    return visit_and_tell
