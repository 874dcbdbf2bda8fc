"""Writing a PostgreSQL database into a new SQLite file, and its audit log as one chain.

The rows of the trunk stay as they are. Those of the organizations' chains follow, in the order of
time, and each organization's in its own order; their hashes are computed anew, since each row now
continues another. In the order of an earlier file, a file's chain is a continuation of that one's.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from hookstream_keys.store import chain
from hookstream_keys.store.errors import BackupRefused
from hookstream_keys.store.postgresql.session import Session
from hookstream_keys.store.postgresql.transfer import tables
from hookstream_keys.store.postgresql.transfer.tables import Column, Digest, listed
from hookstream_keys.store.records import Progress
from hookstream_keys.store.sqlite import SqliteStore, backup_files
from hookstream_keys.store.sqlite.connection import connect
from hookstream_keys.store.sqlite.restore_rows import quoted

_COLUMNS = ", ".join(chain.COLUMNS)
_TRUNK = "select seq, hash from audit_trunk"
_ANCHOR = "select seq, hash from audit_anchor"
# Constants; values are bound.
_LOG = f"""
    select {_COLUMNS}, hash from (
        select *, max(created_at) over (partition by org_id order by seq) as latest
        from audit_log) as l
    order by seq > $1, case when seq <= $1 then seq end, latest collate "C", org_id, seq
"""  # noqa: S608
_ADD = f"insert into audit_log ({_COLUMNS}, hash) values ({', '.join('?' * 14)})"  # noqa: S608
_IN_ORDER_OF = f"""
    select {", ".join(f"n.{name}" for name in chain.COLUMNS)}, n.hash from moved n
    left join earlier e on e.id = n.id order by e.position is null, e.position, n.rowid
"""  # noqa: S608
#: What a column of a plugin is declared as, by its type in PostgreSQL; others as text.
_DECLARED = {
    "boolean": "integer", "integer": "integer", "bigint": "integer", "smallint": "integer",
    "timestamp with time zone": "date", "timestamp without time zone": "date",
}  # fmt: skip

_IS_TABLE = "select 1 from sqlite_master where type = 'table' and name = 'audit_log'"

_PAGE = 5_000


def create(path: Path) -> None:
    """Make a file, new or empty, that has this project's tables."""
    store = SqliteStore(path)
    store.migrate()
    store.close()


def write(
    database: Session,
    path: Path,
    *,
    earlier: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, tuple[int, str]]:
    """Write a database of this project into a file that is new or empty.

    In a transaction, of whose snapshot the file is. With `earlier`, another file of the same
    database, its events come first, in its order. Returns the number of rows of each table, and
    their digest.
    """
    create(path)
    with closing(connect(str(path))) as file:
        file.execute("pragma synchronous = off")
        file.execute("pragma foreign_keys = off")
        file.execute("begin immediate")
        # A row that was changed is reported by what reads the file.
        file.execute("pragma ignore_check_constraints = on")
        names = tables.tables_of_database(database)
        digests = {name: _copy(database, file, name, progress) for name in names}
        file.execute("commit")
        order = [] if earlier is None else _order_of(earlier)
        file.execute("begin immediate")
        _write_log(database, file, progress, order)
        file.execute("commit")
    return digests


def _order_of(earlier: Path) -> list[str]:
    """The ids of the events of an earlier file, in order; none where it has no audit log.

    A restore refuses such a file later; before that nothing in it is trusted.
    """
    try:
        with backup_files.reading(earlier, earlier) as connection:
            if connection.execute(_IS_TABLE).fetchone() is None:
                # A view could have rows without an end.
                return []
            return [row[0] for row in connection.execute("select id from audit_log order by seq")]
    except BackupRefused:
        return []


def _copy(
    database: Session, file: sqlite3.Connection, name: str, progress: Progress | None
) -> tuple[int, str]:
    columns = tables.columns_of_database(database, name)
    if name not in tables.TABLES:
        _create(database, file, name, columns)
    _add_columns(file, name, columns)
    total = database.value(f"select count(*) from {quoted(name)}")  # noqa: S608
    places = ", ".join("?" for _ in columns)
    add = f"insert into {quoted(name)} ({listed(columns)}) values ({places})"  # noqa: S608
    digest = Digest()
    done = 0
    rows = database.rows(f"select {listed(columns)} from {quoted(name)}")  # noqa: S608
    added = digest.adding(map(tables.for_file, rows))
    while page := list(islice(added, _PAGE)):
        file.executemany(add, page)
        done += len(page)
        if progress is not None:
            progress(name, done, total)
    return digest.result


def _create(database: Session, file: sqlite3.Connection, name: str, columns: list[Column]) -> None:
    """Create the table of a plugin of better-auth."""
    key = database.all(
        """select attname from pg_index join pg_attribute
            on attrelid = indrelid and attnum = any(indkey)
        where indrelid = to_regclass($1) and indisprimary order by attnum""",
        quoted(name),
    )
    declared = [f"{quoted(each.name)} {_DECLARED.get(each.type, 'text')}" for each in columns]
    if key:
        declared.append(f"primary key ({', '.join(quoted(each) for (each,) in key)})")
    file.execute(f"create table {quoted(name)} ({', '.join(declared)})")


def _add_columns(file: sqlite3.Connection, name: str, columns: list[Column]) -> None:
    """Add the columns of better-auth's plugins."""
    there = tables.columns_of_file(file, name)
    for column in columns:
        if column.name not in there:
            declared = _DECLARED.get(column.type, "text")
            file.execute(f"alter table {quoted(name)} add column {quoted(column.name)} {declared}")


def _write_log(
    database: Session, file: sqlite3.Connection, progress: Progress | None, order: Sequence[str]
) -> None:
    anchor = chain.Anchor(*database.one(_ANCHOR) or chain.BEGINNING)
    trunk = chain.Anchor(*database.one(_TRUNK) or chain.BEGINNING)
    total = database.value("select count(*) from audit_log")
    rows = database.rows(_LOG, trunk.seq)
    if order:
        rows = _in_order(file, rows, order)
    seq, previous = anchor.seq, bytes.fromhex(anchor.hash)
    done = 0
    while page := list(islice(rows, _PAGE)):
        added = []
        for row in page:
            seq += 1
            values = (seq, *row[1:-1])
            previous = chain.entry_hash(previous, dict(zip(chain.COLUMNS, values, strict=True)))
            added.append((*values, previous.hex()))
        file.executemany(_ADD, added)
        done += len(page)
        if progress is not None:
            progress("audit log", done, total)
    file.execute("update audit_head set seq = ?, hash = ?", (seq, previous.hex()))
    file.execute("update audit_anchor set seq = ?, hash = ?", anchor)


def _in_order(file: sqlite3.Connection, rows: Iterator[Any], order: Sequence[str]) -> Iterator[Any]:
    """The rows in the order of these ids, and then those that have none of them."""
    file.execute("create temp table earlier (position integer primary key, id text unique)")
    file.executemany("insert or ignore into earlier (id) values (?)", ((each,) for each in order))
    file.execute(f"create temp table moved ({_COLUMNS}, hash)")
    places = ", ".join("?" * 14)
    file.executemany(f"insert into moved values ({places})", rows)  # noqa: S608
    yield from file.execute(_IN_ORDER_OF)
