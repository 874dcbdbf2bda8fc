"""`migrate-store`: moving the data of one database to an empty one on the other engine.

The data has one home at every moment. Until the end that is the source, which is not written
meanwhile. At the end the source is retired first, durably, then the target becomes the home: a file
is renamed, and a database in PostgreSQL lacks tables that every node needs. Repeated after an
interruption between the two, the command does the rest.
"""

import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

from hookstream_keys.domain.durable import fsync_directory
from hookstream_keys.store.errors import MoveRefused
from hookstream_keys.store.postgresql import (
    PostgresqlStore,
    audit_check,
    background,
    migrations,
    moves,
)
from hookstream_keys.store.postgresql.fencing import FENCE_SECONDS
from hookstream_keys.store.postgresql.session import Session, session, transaction
from hookstream_keys.store.postgresql.transfer import into_file, into_postgresql, tables
from hookstream_keys.store.postgresql.transfer.tables import listed
from hookstream_keys.store.records import AuditEvent, ChainCheck, Progress
from hookstream_keys.store.sqlite import SqliteStore, backup_files
from hookstream_keys.store.sqlite.connection import connect
from hookstream_keys.store.sqlite.engine import LOOK_SECONDS
from hookstream_keys.store.sqlite.restore_rows import quoted
from hookstream_keys.store.sqlite.retired import retired

#: Makes the event of a move from its details.
Recorded = Callable[[Mapping[str, Any]], AuditEvent]

#: The files of a SQLite database.
_ENDS = ("", "-wal", "-shm")
#: For how long a node may read from a source after it was retired, in seconds.
_UNTIL_FENCED = FENCE_SECONDS + 1


class Moved(NamedTuple):
    """What was moved: the rows of each table, and the head of the log that was checked."""

    rows: dict[str, int]
    head: str


def draft_of(file: Path) -> Path:
    """The name of a file that data is moved to, until the source is retired."""
    return file.with_name(f".{file.name}.moving")


def is_retired(file: Path) -> bool:
    """Whether the data of this file was moved, or only the end of that is left."""
    return not file.exists() and retired(file).exists()


def end(file: Path, url: str, recorded: Recorded) -> None:
    """Do what is left of a move from a file that was interrupted after that was retired.

    Raises MoveRefused when nothing is left to do here, and StoreUnavailable.
    """
    with session(url) as database, closing(sqlite3.connect(retired(file))) as source:
        into_postgresql.lock(database)
        if not into_postgresql.is_complete(database):
            raise MoveRefused(f"the data of {file} was moved already")
        if not into_postgresql.is_of(database, source):
            raise MoveRefused(f"this database is filled from another file than {file}")
        rows, head = source.execute(
            "select (select count(*) from audit_log), hash from audit_head"
        ).fetchone()
        _rename(file)
        _end(database, url, recorded, rows, head)
    _checkpoint(retired(file))


def is_left(url: str, file: Path) -> bool:
    """Whether only the end is left of a move to a file.

    The database is retired, and its draft is there. Raises StoreUnavailable.
    """
    draft = draft_of(file)
    if file.exists() or not draft.exists():
        return False
    with session(url) as database:
        moved_to = moves.moved_to(database)
    # A draft of a move that was interrupted before need not be a database yet.
    return moved_to is not None and moved_to == _head_of(draft)


def end_to_file(file: Path) -> None:
    """Do what is left of such a move."""
    time.sleep(_UNTIL_FENCED)
    backup_files.publish(draft_of(file), file)
    draft_of(file).unlink()


def to_postgresql(
    file: Path,
    url: str,
    recorded: Recorded,
    *,
    restart: bool = False,
    progress: Progress | None = None,
) -> Moved:
    """Move a SQLite database to PostgreSQL, and rename its file, so that no server uses it.

    Meanwhile the file can be read, and not written. Repeated after an interruption, it continues;
    with `restart` it copies all rows again. Raises MoveRefused, and StoreUnavailable.
    """
    if retired(file).exists():
        raise MoveRefused(f"{retired(file)} exists; move it away")
    with session(url) as database:
        checked = _checked(SqliteStore(file).check_audit_log(progress=progress))
        with into_postgresql.announced(database):
            background.run(migrations.migrate(database.driver))
            with into_postgresql.filled(
                file, database, restart=restart, progress=progress
            ) as counts:
                _rename(file)
                # Until its servers have looked; the file is locked until the end, so that another
                # migrate-store finds it moved.
                time.sleep(LOOK_SECONDS)
                _end(database, url, recorded, checked.rows, checked.head)
    _checkpoint(retired(file))
    return Moved(counts, checked.head)


def to_file(url: str, file: Path, recorded: Recorded, *, progress: Progress | None = None) -> Moved:
    """Move a database in PostgreSQL to a new SQLite file, after which no node uses it.

    Meanwhile it can be read, and not written. Repeated after an interruption, it begins anew, or
    does the rest where the database is retired already. Raises MoveRefused, BackupRefused when the
    file cannot be written, and StoreUnavailable.
    """
    for end in ("", *backup_files.BESIDE):
        left = Path(f"{file}{end}")
        if left.exists():
            raise MoveRefused(f"{left} exists; give the name of a new file, or move it away")
    draft = draft_of(file)
    with session(url) as database, transaction(database, "begin isolation level repeatable read"):
        tables.lock(database)
        for end in ("", *backup_files.BESIDE):
            Path(f"{draft}{end}").unlink(missing_ok=True)
        checked = _checked(audit_check.check(database, None, progress))
        with backup_files.room_for(file):
            backup_files.create(draft)
            digests = into_file.write(database, draft, progress=progress)
            counts = _verified(database, draft, digests, progress)
            details = {"from": "postgresql", "rows": checked.rows, "head": checked.head}
            _record(SqliteStore(draft), recorded(details))
            backup_files.sync(draft)
        moves.retire(database)
        moves.note_moved_to(database, _head_of(draft))
    end_to_file(file)
    return Moved(counts, checked.head)


def _end(database: Session, url: str, recorded: Recorded, rows: int, head: str) -> None:
    details = {"from": "sqlite", "rows": rows, "head": head}
    into_postgresql.end(database, lambda: _record(PostgresqlStore(url), recorded(details)))


def _head_of(file: Path) -> str:
    """The head of a file's log."""
    with closing(sqlite3.connect(file)) as opened:
        (entry_hash,) = opened.execute("select hash from audit_head").fetchone()
    return str(entry_hash)


def _checked(found: ChainCheck) -> ChainCheck:
    if found.fault is not None:
        raise MoveRefused(
            f"the audit log is not as it was written, at seq {found.fault.seq}: "
            f"{found.fault.message}; run hookstream-keys audit verify"
        )
    return found


def _rename(file: Path) -> None:
    """Rename the database with the files beside it: its servers answer 503 from now on."""
    for end in _ENDS:
        with suppress(FileNotFoundError):
            Path(f"{file}{end}").rename(f"{retired(file)}{end}")
    fsync_directory(file.absolute().parent)


def _checkpoint(file: Path) -> None:
    """Let the file have all of its data itself, unless a server still has it open."""
    with closing(sqlite3.connect(file)) as source:
        source.execute("pragma wal_checkpoint(truncate)")


def _verified(
    database: Session,
    draft: Path,
    digests: Mapping[str, tuple[int, str]],
    progress: Progress | None,
) -> dict[str, int]:
    """Compare the file with what was read; returns how many rows each table has."""
    with closing(connect(str(draft))) as file:
        for name, expected in digests.items():
            columns = tables.columns_of_database(database, name)
            found = tables.digest(file.execute(f"select {listed(columns)} from {quoted(name)}"))  # noqa: S608
            if found != expected:
                raise MoveRefused(f"the table {name} is not in the file as it was read; try again")
    log = _checked(SqliteStore(draft).check_audit_log(progress=progress))
    return {name: count for name, (count, _) in digests.items()} | {"audit_log": log.rows}


def _record(store: SqliteStore | PostgresqlStore, event: AuditEvent) -> None:
    store.run(store.add_events([event]))
    store.close()
