"""Backups: created while others write, and restored without undoing revocations.

A restore is one transaction in the existing database: it replaces the rows with those of the
backup, merged with the present ones (`restore_merge`). So no server has to stop, and no revocation
is lost between. The audit log is not replaced.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

from hookstream_keys.store.errors import BackupRefused
from hookstream_keys.store.inline import run_inline
from hookstream_keys.store.records import (
    AuditEvent,
    Backup,
    DeletionEvents,
    RestoreChange,
    Restored,
    RevocationEvents,
    SealKeys,
)
from hookstream_keys.store.sql import pending_deletions, pending_revocations
from hookstream_keys.store.sql.audit import insert_event
from hookstream_keys.store.sqlite import (
    audit_chain,
    audit_state,
    backup_files,
    backup_seal,
    restore_counts,
    restore_events,
    restore_merge,
    restore_rows,
    restore_source,
)
from hookstream_keys.store.sqlite.connection import Connection, connect, transaction
from hookstream_keys.store.sqlite.engine import SqliteEngine, translated
from hookstream_keys.store.sqlite.restore_columns import COLUMNS
from hookstream_keys.store.state_check import StateCheck

Recorded = Callable[[RestoreChange], AuditEvent]


class Backups(SqliteEngine):
    """Creating and restoring backups."""

    def backup(self, path: Path, now: str, seal_key: bytes) -> tuple[Backup, StateCheck]:
        if path.exists():
            raise BackupRefused(f"{path} exists; it is not overwritten")
        with backup_files.draft_for(path) as draft:
            with translated(), closing(self._open(create=False)) as connection:
                backup_files.vacuum(connection, draft)
            with translated(), closing(connect(str(draft))) as connection:
                # The draft is deleted if this fails, so it needs no journal.
                connection.execute("pragma journal_mode = memory")
                connection.execute("pragma secure_delete = on")
                _end_all_sessions(connection)
                backup_files.require_sound(connection, path)
                state = audit_state.check(connection, now)
                found = backup_files.require_chain(connection, state.chain, path)
            with translated():
                backup_seal.seal(draft, seal_key)
            backup_files.publish(draft, path)
        return found, state

    def restore(
        self,
        path: Path,
        now: str,
        recorded: Recorded,
        seal_keys: SealKeys,
        *,
        deletions: DeletionEvents,
        revocations: RevocationEvents,
        unsealed: bool = False,
        rehearse: bool = False,
    ) -> Restored:
        exists = self._path.exists()
        if exists and path.exists() and path.samefile(self._path):
            raise BackupRefused(f"{path} is the database itself")
        with backup_files.draft_for(self._path) as draft:
            found = restore_source.prepare(path, draft, now, seal_keys, unsealed=unsealed)
            found.compared = exists
            if exists:
                self._restore_over(
                    draft, found, now, recorded, deletions, revocations, rehearse=rehearse
                )
                return found
            self._refuse_leftovers()
            _restore_alone(draft, found, recorded)
            if not rehearse:
                backup_files.publish(draft, self._path)
            return found

    def _restore_over(
        self,
        draft: Path,
        found: Restored,
        now: str,
        recorded: Recorded,
        deletions: DeletionEvents,
        revocations: RevocationEvents,
        *,
        rehearse: bool,
    ) -> None:
        with translated(), closing(self._open(create=False)) as connection:
            # Rows are replaced below; deleting an organization must not cascade.
            connection.execute("pragma foreign_keys = off")
            connection.execute("attach ? as backup", (str(draft),))
            with suppress(_Rehearsed), transaction(connection):
                _require_same(connection, found.backup, *self._name_and_remedy())
                try:
                    # So that what they revoke or delete is compared with the backup.
                    run_inline(pending_deletions.complete_all(connection, deletions))
                    run_inline(pending_revocations.complete_all(connection, revocations))
                    restore_merge.preserve_revocations(connection, found, now)
                    _record(
                        connection, restore_events.changes(connection, _details(found)), recorded
                    )
                    found.changes = restore_counts.compared(connection)
                    _end_all_sessions(connection)
                    _replace(connection)
                except sqlite3.IntegrityError as error:
                    raise BackupRefused(f"the backup does not fit the database: {error}") from error
                if rehearse:
                    _undo()

    def _name_and_remedy(self) -> tuple[str, str]:
        """What messages call the database, and how to restore the backup of another one."""
        path = self._path
        return str(path), (
            f"stop the servers and move {path} away, with {path.name}-wal and {path.name}-shm but "
            f"not {path.name}.secret: the backup then becomes the database"
        )

    def _refuse_leftovers(self) -> None:
        for end in backup_files.BESIDE:
            left = Path(f"{self._path}{end}")
            if left.exists():
                # SQLite would use it with the new database.
                raise BackupRefused(f"{left} is left of a database that is gone; move it away")


class _Rehearsed(Exception):
    """Rolls back a dry run."""


def _undo() -> None:
    raise _Rehearsed


def _restore_alone(draft: Path, found: Restored, recorded: Recorded) -> None:
    """Make the draft the database."""
    with translated(), closing(connect(str(draft))) as connection, transaction(connection):
        found.changes = restore_counts.alone(connection)
        _end_all_sessions(connection)
        _record(connection, restore_events.unchanged(connection, _details(found)), recorded)


def _details(found: Restored) -> dict[str, object]:
    """The details of the restore in every organization's log."""
    return {"until": found.backup.until, "compared": found.compared, "sealed": found.sealed}


def _record(connection: Connection, changes: Iterator[RestoreChange], recorded: Recorded) -> None:
    for change in changes:
        run_inline(insert_event(connection, recorded(change)))


def _require_same(connection: Connection, backup: Backup, name: str, remedy: str) -> None:
    """Raise BackupRefused unless the backup is of this database: our log contains its log."""
    anchor = audit_chain.anchor_of(connection)
    put_back = f"to put it back all the same, {remedy}"
    row = connection.execute(
        "select 1 from main.audit_log where seq = ? and hash = ?", (backup.seq, backup.head)
    ).fetchone()
    if row is not None or anchor == (backup.seq, backup.head):
        return
    if backup.seq < anchor.seq:
        raise BackupRefused(
            f"the backup is older than the audit log, of which the rows through {anchor.seq} were "
            "pruned, so that it is not known whether it is one of this database, "
            f"{name}; {put_back}"
        )
    if connection.execute("select 1 from main.audit_log limit 1").fetchone() is None:
        raise BackupRefused(
            f"the database {name} is new, nothing was ever recorded in it, and the backup is of "
            f"another; {put_back}"
        )
    raise BackupRefused(
        f"the backup is not one of this database, {name}, whose audit log does not contain its "
        f"last row; {put_back}"
    )


def _end_all_sessions(connection: Connection) -> None:
    """End every session, and invalidate every link that was mailed."""
    for table in restore_counts.SESSIONS:
        connection.execute(f'delete from main."{table}"')  # noqa: S608 - constants


def _replace(connection: Connection) -> None:
    """Replace the rows with the backup's. Raises BackupRefused."""
    for table in reversed(COLUMNS):
        connection.execute(f'delete from main."{table}"')  # noqa: S608 - constants
    for table in COLUMNS:
        names = ", ".join(f'"{name}"' for name in restore_rows.columns(connection, table))
        connection.execute(
            f'insert into main."{table}" ({names}) select {names} from backup."{table}"'  # noqa: S608
        )
    astray = connection.execute("pragma main.foreign_key_check").fetchone()
    if astray is not None:
        raise BackupRefused(
            f"a row of the table {astray[0]} belongs to one of {astray[2]} that would be gone"
        )
