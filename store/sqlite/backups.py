"""Backups: a copy that is made while others write, and put back without bringing back what ended.

A backup is put back into the database that there is, as one change of it: the rows of the
backup, held against those that are there now (`ended`), take their place in one transaction.
So no server has to stop, and no revocation can slip in between. The audit log stays what it is.
"""

from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from hookstream_keys.store.errors import BackupRefused, StoreUnavailable
from hookstream_keys.store.records import AuditEvent, Backup, Carried, Restored
from hookstream_keys.store.sqlite import audit_chain, backup_files, ended
from hookstream_keys.store.sqlite.audit import insert_event
from hookstream_keys.store.sqlite.connection import Connection, connect, transaction
from hookstream_keys.store.sqlite.engine import Engine, translated

#: What a backup brings back, in the order in which rows refer to one another. People and how
#: they sign in are not: a password that was changed must not come back.
TABLES = (
    '"organization"',
    '"member"',
    '"invitation"',
    "environment",
    "api_key",
    "rotation",
    "receipt",
    "key_usage",
)

Recorded = Callable[[Carried], AuditEvent]


class Backups(Engine):
    """Making a backup, and putting one back."""

    def backup(self, path: Path) -> Backup:
        if path.exists():
            raise BackupRefused(f"{path} exists; it is not overwritten")
        with backup_files.draft_for(path) as draft:
            with translated(), closing(self._open(create=False)) as connection:
                backup_files.copy(connection, draft)
            with translated(), closing(connect(str(draft))) as connection:
                # The draft is thrown away if this fails, so it needs no journal.
                connection.execute("pragma journal_mode = memory")
                connection.execute("pragma secure_delete = on")
                _let_nobody_in(connection, "main")
                backup_files.require_sound(connection, path)
                found = backup_files.require_chain(connection, path)
            backup_files.publish(draft, path)
        return found

    def restore(
        self, path: Path, now: str, recorded: Recorded, *, rehearse: bool = False
    ) -> Restored:
        exists = self._path.exists()
        if exists and path.exists() and path.samefile(self._path):
            raise BackupRefused(f"{path} is the database itself")
        with backup_files.draft_for(self._path) as draft:
            backup = _taken(path, draft)
            if exists:
                return self._restore_over(draft, backup, now, recorded, rehearse=rehearse)
            self._refuse_leftovers()
            found = _restore_alone(draft, backup, recorded)
            if not rehearse:
                backup_files.publish(draft, self._path)
            return found

    def _restore_over(
        self, draft: Path, backup: Backup, now: str, recorded: Recorded, *, rehearse: bool
    ) -> Restored:
        with translated(), closing(self._open(create=False)) as connection:
            # Rows change places below, and nothing is to go with an organization that comes back.
            connection.execute("pragma foreign_keys = off")
            connection.execute("attach ? as backup", (str(draft),))
            with suppress(_Rehearsed), transaction(connection):
                _require_same(connection, backup)
                found = Restored(backup, compared=True)
                changes = ended.carry_over(connection, found, now)
                gone = ended.organizations_gone(connection)
                _let_nobody_in(connection, "main")
                _replace(connection)
                for change in (*_of_all(connection, found), *gone, *changes):
                    insert_event(connection, recorded(change))
                if rehearse:
                    _undo()
            return found

    def _refuse_leftovers(self) -> None:
        for end in backup_files.BESIDE:
            left = Path(f"{self._path}{end}")
            if left.exists():
                # SQLite would take it for a part of the database that comes there.
                raise BackupRefused(f"{left} is left of a database that is gone; move it away")


class _Rehearsed(Exception):
    """Undoes what was done to find out what it comes to."""


def _undo() -> None:
    raise _Rehearsed


def _taken(path: Path, draft: Path) -> Backup:
    """Copy a backup into the draft, as this version has its tables. Raises BackupRefused."""
    with backup_files.reading(path) as connection:
        backup_files.require_sound(connection, path)
        backup_files.copy(connection, draft)
    engine = Engine(draft)
    engine.migrate()
    with backup_files.reading(draft) as connection:
        backup = backup_files.require_chain(connection, path)
    if not backup.seq:
        raise BackupRefused(f"{path} is no backup of hookstream-keys, or of an empty database")
    return backup


def _restore_alone(draft: Path, backup: Backup, recorded: Recorded) -> Restored:
    """Make the draft a database of its own."""
    with translated(), closing(connect(str(draft))) as connection:
        found = Restored(backup, compared=False)
        with transaction(connection):
            found.sessions_ended = _let_nobody_in(connection, "main")
            for change in _of_all(connection, found):
                insert_event(connection, recorded(change))
    return found


def _require_same(connection: Connection, backup: Backup) -> None:
    """Raise BackupRefused unless the backup is one of this database: its log is our log's."""
    anchor = audit_chain.anchor_of(connection)
    row = connection.execute(
        "select 1 from main.audit_log where seq = ? and hash = ?", (backup.seq, backup.head)
    ).fetchone()
    if row is not None or anchor == (backup.seq, backup.head):
        return
    if backup.seq < anchor.seq:
        raise BackupRefused(
            f"the backup is older than the audit log, of which the rows through {anchor.seq} were "
            "pruned, so that it is not known whether it is one of this database; to put it back "
            "all the same, stop the servers and move the database away"
        )
    raise BackupRefused(
        "the backup is not one of this database, whose audit log does not contain its last "
        "row; to put it back all the same, stop the servers and move the database away"
    )


def _let_nobody_in(connection: Connection, schema: str) -> int:
    """End every session, and make every link that was mailed useless. Returns how many sessions."""
    counts = [
        connection.execute(f"delete from {schema}.{table}").rowcount  # noqa: S608 - constants
        for table in backup_files.LETS_IN
    ]
    return counts[0]


def _replace(connection: Connection) -> None:
    """Put the backup's rows in the place of those that are there."""
    for table in reversed(TABLES):
        connection.execute(f"delete from main.{table}")  # noqa: S608 - constants
    for table in TABLES:
        names = ", ".join(_columns(connection, table))
        connection.execute(
            f"insert into main.{table} ({names}) select {names} from backup.{table}"  # noqa: S608
        )
    astray = connection.execute("pragma main.foreign_key_check").fetchone()
    if astray is not None:
        raise StoreUnavailable(
            f"a row of the table {astray[0]} belongs to one of {astray[2]} that would be gone"
        )


def _columns(connection: Connection, table: str) -> list[str]:
    """The columns that a table has in both: better-auth may have added some of its own."""
    both = [
        [row[1] for row in connection.execute(f"pragma {schema}.table_info({table})")]
        for schema in ("main", "backup")
    ]
    return [f'"{name}"' for name in both[0] if name in both[1]]


def _of_all(connection: Connection, found: Restored) -> list[Carried]:
    """What every organization's log says of it."""
    details = {"until": found.backup.until, "compared": found.compared}
    rows = connection.execute('select id from "organization" order by id').fetchall()
    return [Carried("organization.restored", org_id, org_id, details) for (org_id,) in rows]
