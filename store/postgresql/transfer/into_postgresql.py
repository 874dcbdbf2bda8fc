"""Filling an empty PostgreSQL database with the rows of a SQLite file, resumably.

The rows go in batches, each of which is a transaction that also records how far it came. The table
`hookstream_move` has that until the end, before which no node uses the database.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from hookstream_keys.store import chain
from hookstream_keys.store.errors import MoveRefused
from hookstream_keys.store.postgresql import background, migrations, moves
from hookstream_keys.store.postgresql.session import Session, require_confirming, transaction
from hookstream_keys.store.postgresql.transfer import indexes, tables
from hookstream_keys.store.postgresql.transfer.tables import Column, Digest, listed
from hookstream_keys.store.records import Progress
from hookstream_keys.store.sqlite.connection import connect
from hookstream_keys.store.sqlite.engine import MIGRATING_SECONDS, translated
from hookstream_keys.store.sqlite.file_identity import FileIdentity
from hookstream_keys.store.sqlite.restore_rows import quoted

#: How many rows are copied in one transaction.
BATCH = 50_000

#: The tables whose rows are only added to, or changed with an event of the audit log: where that
#: has no new event, what was copied of them before an interruption is still right.
_RESUMED = ("environment", "api_key", "rotation", "audit_log")
_LOG_COLUMNS = [Column(name, "text") for name in (*chain.COLUMNS, "hash")]

_CREATE = """
    create table if not exists hookstream_move (
        name text collate "C" primary key,
        sql text,
        -- Of a table: the last row that was copied, by its `rowid`.
        after bigint
    )
"""
_EXISTS = "select to_regclass('hookstream_move') is not null"
_RECORD = """
    insert into hookstream_move (name, after) values ($1, $2)
    on conflict (name) do update set after = excluded.after
"""
_AFTER = "select after from hookstream_move where name = $1"
#: Every event after the trunk is one that was written here.
_RECORDED = """
    select exists (
        select 1 from audit_log where action = $1 and seq > (select seq from audit_trunk))
"""
#: For as long as the session lasts: no two processes fill one database.
_LOCK = "select pg_try_advisory_lock(hashtextextended('hookstream_move', 0))"
_SOURCE = "select name from hookstream_move where name like 'source: %'"
#: The mark of a move of which only the end is left.
_COMPLETE = "complete"
#: The mark of a restore: nothing else has what it fills the database with.
_RESTORE = "restore"


@contextmanager
def filled(
    file: Path,
    database: Session,
    *,
    restart: bool = False,
    restores: bool = False,
    progress: Progress | None = None,
) -> Iterator[dict[str, int]]:
    """Fill a migrated database with the rows of a file, to which nothing writes until the end.

    In the block of `announced`. Yields how many rows each table has, when all are there and the
    mark of the move is left. With `restores` it replaces what an interrupted restore has left, and
    nothing else. Raises MoveRefused.
    """
    uri = f"{file.absolute().as_uri()}?mode=rw"
    before = FileIdentity(file)
    # COPY reads from it on the thread of the event loop.
    options = {"uri": True, "timeout": MIGRATING_SECONDS, "check_same_thread": False}
    with translated(), closing(connect(uri, **options)) as source:
        source.execute("begin immediate")
        if FileIdentity(file).differ_from(before):
            raise MoveRefused(f"the data of {file} was moved meanwhile by another migrate-store")
        filling = _Filling(source, database, progress)
        filling.begin(restart=restart or restores, restores=restores)
        filling.copy()
        counts = filling.verify()
        filling.finish()
        # Fails where the session has ended, and its lock with it.
        database.value("select 1")
        yield counts


class _Filling:
    """The rows of a file, which nothing else changes, on their way into a database.

    `file` is a connection in a transaction, `database` a migrated database. `progress` is told of
    each batch.
    """

    def __init__(
        self, file: sqlite3.Connection, database: Session, progress: Progress | None
    ) -> None:
        self._file = file
        self._database = database
        self._progress = progress
        self._names = tables.tables_of_file(file)
        self._columns = {name: tables.shared_columns(file, database, name) for name in self._names}
        self._digests: dict[str, tuple[int, str]] = {}

    def begin(self, *, restart: bool = False, restores: bool = False) -> None:
        """Begin, or continue what was interrupted. Raises MoveRefused."""
        source = source_of(self._file)
        database = self._database
        with transaction(database):
            last = _last_source(database)
            if last is not None:
                if restores and database.value(_AFTER, _RESTORE) is None:
                    raise MoveRefused(
                        "hookstream-keys migrate-store has begun to fill this database, and has "
                        "not finished: run it again, or restore into a new database"
                    )
                if last != source and not restart:
                    raise MoveRefused(
                        "the file was changed since the interrupted move, or is another one: "
                        "--restart copies all of it again"
                    )
                if database.value(_AFTER, _COMPLETE) is not None:
                    self._reopen()
                self._empty(self._names if restart else self._not_resumed())
                database.execute("delete from hookstream_move where name like 'source: %'")
                if restart:
                    database.execute("delete from hookstream_move where after is not null")
            else:
                self._require_empty()
                # A server that ran here has begun chains, and written nothing to them.
                database.execute("delete from audit_head")
                database.execute(_CREATE)
                moves.retire(database)
                indexes.drop(database, [quoted(name) for name in (*self._names, "audit_log")])
            database.execute(_RECORD, source, 0)
            if restores:
                database.execute(_RECORD, _RESTORE, 0)

    def _reopen(self) -> None:
        """Undo `finish`: its source was not retired, and may have been written since."""
        database = self._database
        database.execute("delete from hookstream_move where name = $1", _COMPLETE)
        database.execute("delete from hookstream_move where sql is not null")
        indexes.drop(database, [quoted(name) for name in (*self._names, "audit_log")])

    def copy(self) -> None:
        """Copy all rows that were not copied yet."""
        for name in self._names:
            columns = self._columns[name]
            convert = tables.for_database(name, columns)
            self._copy(name, columns, convert)
        self._copy("audit_log", _LOG_COLUMNS, lambda row: row)

    def verify(self) -> dict[str, int]:
        """Compare the rows of both; returns how many each table has. Raises MoveRefused."""
        counts = {}
        for name, expected in self._digests.items():
            self._tell(f"verify {name}", 0, expected[0])
            columns = _LOG_COLUMNS if name == "audit_log" else self._columns[name]
            with transaction(self._database):
                rows = self._database.rows(f"select {listed(columns)} from {quoted(name)}")  # noqa: S608
                found = tables.digest(rows)
            self._tell(f"verify {name}", expected[0], expected[0])
            if found != expected:
                raise MoveRefused(
                    f"the table {name} has {found[0]} rows with the digest {found[1]}, and not "
                    f"{expected[0]} with {expected[1]}, as the file: another program writes to "
                    "one of the two, or did while the move was interrupted; --restart copies all "
                    "of it again"
                )
            counts[name] = found[0]
        return counts

    def finish(self) -> None:
        """Make the indexes, and let the chains begin after the file's."""
        database, file = self._database, self._file
        definitions = indexes.definitions(database)
        with transaction(database):
            for done, definition in enumerate(definitions):
                self._tell("indexes", done, len(definitions))
                database.execute(definition)
            self._tell("indexes", len(definitions), len(definitions))
            for table, query in (
                ("audit_trunk", "select seq, hash from audit_head"),
                ("audit_anchor", "select seq, hash from audit_anchor"),
            ):
                seq, entry_hash = file.execute(query).fetchone()
                database.execute(f"update {table} set seq = $1, hash = $2", seq, entry_hash)  # noqa: S608
            database.execute(_RECORD, _COMPLETE, 0)
        database.execute("analyze")

    def _not_resumed(self) -> list[str]:
        return [name for name in self._names if name not in _RESUMED]

    def _empty(self, names: Sequence[str]) -> None:
        for name in names:
            self._database.execute(f"delete from {quoted(name)}")  # noqa: S608
        if "api_key" in names:
            self._database.execute("delete from audit_log")

    def _require_empty(self) -> None:
        for name in (*self._names, "audit_log"):
            if self._database.value(f"select exists (select 1 from {quoted(name)})"):  # noqa: S608
                raise MoveRefused(
                    f"the database is not empty: its table {name} has rows. Give a new database"
                )

    def _copy(self, name: str, columns: Sequence[Column], convert: Any) -> None:
        (total,) = self._file.execute(f"select count(*) from {quoted(name)}").fetchone()  # noqa: S608
        digest = Digest()
        select = f"select {listed(columns)} from {quoted(name)}"  # noqa: S608
        names = [column.name for column in columns]
        if name not in _RESUMED:
            with transaction(self._database):
                rows = digest.adding(map(convert, self._file.execute(select)))
                self._database.copy(name, names, rows)
            self._tell(name, total, total)
            self._digests[name] = digest.result
            return
        after = self._database.value(_AFTER, f"table: {name}") or 0
        done = 0
        before = f"select {listed(columns)} from {quoted(name)} where rowid <= ?"  # noqa: S608
        for row in self._file.execute(before, (after,)):
            digest.add(convert(row))
            done += 1
        rest = self._file.execute(
            f"select rowid, {listed(columns)} from {quoted(name)} where rowid > ? order by rowid",  # noqa: S608
            (after,),
        )
        while batch := list(islice(rest, BATCH)):
            with transaction(self._database):
                rows = digest.adding(convert(row[1:]) for row in batch)
                self._database.copy(name, names, rows)
                self._database.execute(_RECORD, f"table: {name}", batch[-1][0])
            done += len(batch)
            self._tell(name, done, total)
        self._digests[name] = digest.result

    def _tell(self, task: str, done: int, total: int) -> None:
        if self._progress is not None:
            self._progress(task, done, total)


@contextmanager
def announced(database: Session) -> Iterator[None]:
    """Fill a database in the block: no other process does meanwhile, as long as the session lasts.

    One without tables is marked before a node finds any there; where the block raises MoveRefused
    before it has begun to fill, the mark is taken away. Raises MoveRefused where another process
    fills it, and StoreUnavailable where no change is confirmed.
    """
    lock(database)
    require_confirming(database)
    if background.run(migrations.is_new(database.driver)):
        database.execute(_CREATE)
    try:
        yield
    except MoveRefused:
        if _last_source(database) is None:
            database.execute("drop table if exists hookstream_move")
        raise


def lock(database: Session) -> None:
    """Let no other process fill the database until the session ends. Raises MoveRefused."""
    if not database.value(_LOCK):
        raise MoveRefused(
            "another hookstream-keys migrate-store or restore fills this database: wait for its end"
        )


def _last_source(database: Session) -> str | None:
    """What the database is being filled from; None where that has not begun."""
    source: str | None = database.value(_SOURCE) if database.value(_EXISTS) else None
    return source


def is_filling(database: Session) -> bool:
    """Whether a move or a restore has begun to fill the database, and not ended."""
    return bool(database.value(_EXISTS))


def source_of(file: sqlite3.Connection) -> str:
    """What `hookstream_move` calls a file: by its log, which each change but few continues."""
    seq, entry_hash = file.execute("select seq, hash from audit_head").fetchone()
    return f"source: {seq} {entry_hash}"


def is_of(database: Session, file: sqlite3.Connection) -> bool:
    """Whether the database is filled from this file."""
    return bool(database.value(_SOURCE) == source_of(file))


def is_complete(database: Session) -> bool:
    """Whether a move has filled the database, and only its mark is left."""
    return bool(database.value(_EXISTS)) and database.value(_AFTER, _COMPLETE) is not None


def end(database: Session, record: Callable[[], None] | None = None) -> None:
    """Make the database of a complete move the home of the data: servers may start.

    Before they may, `record` writes the event of the move, unless it is there: what was interrupted
    here is done once more.
    """
    with transaction(database):
        moves.reinstate(database)
    if record is not None and not database.value(_RECORDED, chain.MOVED):
        record()
    database.execute("drop table hookstream_move")
