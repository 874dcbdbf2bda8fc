"""`migrate-store`: moving the data of one database to an empty one on the other engine.

The data has one home at every moment. Until the end that is the source, which is not written
meanwhile. At the end the source is retired first: a file is renamed, and a database in PostgreSQL
lacks a table that every node needs.
"""

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
from hookstream_keys.store.postgresql.session import Session, session
from hookstream_keys.store.postgresql.transfer import into_file, into_postgresql, tables
from hookstream_keys.store.postgresql.transfer.tables import listed
from hookstream_keys.store.records import AuditEvent, ChainCheck, Progress
from hookstream_keys.store.sqlite import SqliteStore, backup_files
from hookstream_keys.store.sqlite.connection import connect
from hookstream_keys.store.sqlite.restore_rows import quoted

#: Makes the event of a move from its details.
Recorded = Callable[[Mapping[str, Any]], AuditEvent]

#: The files of a SQLite database.
_ENDS = ("", "-wal", "-shm")


class Moved(NamedTuple):
    """What was moved: the rows of each table, and the head of the log that was checked."""

    rows: dict[str, int]
    head: str


def retired(file: Path) -> Path:
    """The name of a file whose data was moved."""
    return file.with_name(f"{file.name}.moved")


def is_retired(file: Path) -> bool:
    """Whether the data of this file was moved, or only the end of that is left."""
    return not file.exists() and retired(file).exists()


def end(url: str) -> None:
    """Do what is left of a move that was interrupted after its source was retired.

    Raises MoveRefused when nothing is left, and StoreUnavailable.
    """
    with session(url) as database:
        if not into_postgresql.is_complete(database):
            raise MoveRefused("the data of the file was moved already, and not to this database")
        into_postgresql.end(database)


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
    with `restart` it copies all rows again.
    Raises MoveRefused, and StoreUnavailable.
    """
    with session(url) as database:
        background.run(migrations.migrate(database.driver))
        checked = _checked(SqliteStore(file).check_audit_log(progress=progress))
        with into_postgresql.filled(file, database, restart=restart, progress=progress) as counts:
            _rename(file)
        details = {"from": "sqlite", "rows": checked.rows, "head": checked.head}
        into_postgresql.end(database)
    _record(PostgresqlStore(url), recorded(details))
    return Moved(counts, checked.head)


def to_file(url: str, file: Path, recorded: Recorded, *, progress: Progress | None = None) -> Moved:
    """Move a database in PostgreSQL to a new SQLite file, after which no node uses it.

    Meanwhile it can be read, and not written. Interrupted, it leaves no file and begins anew.
    Raises MoveRefused, BackupRefused when the file exists, and StoreUnavailable.
    """
    if file.exists():
        raise MoveRefused(f"{file} exists; give the name of a new file")
    with session(url) as database, backup_files.draft_for(file) as draft:
        database.execute("begin isolation level repeatable read")
        tables.lock(database)
        checked = _checked(audit_check.check(database, None, progress))
        digests = into_file.write(database, draft, progress=progress)
        counts = _verified(database, draft, digests, progress)
        details = {"from": "postgresql", "rows": checked.rows, "head": checked.head}
        _record(SqliteStore(draft), recorded(details))
        moves.retire(database)
        backup_files.publish(draft, file)
        try:
            database.execute("commit")
        except BaseException:
            # The database is still the home of the data.
            file.unlink()
            raise
    return Moved(counts, checked.head)


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
