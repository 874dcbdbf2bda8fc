"""What the operator's commands do with a file of the database: backups and the audit log's state.

A backup of PostgreSQL is a SQLite file, as one of SQLite is: either engine restores both.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from hookstream_keys.store import chain
from hookstream_keys.store.acceptance import LOG_DAMAGED, Acceptance, AcceptedChange
from hookstream_keys.store.errors import (
    AcceptRefused,
    BackupRefused,
    PruneRefused,
    StoreUnavailable,
)
from hookstream_keys.store.postgresql import audit_check, background, migrations, moves
from hookstream_keys.store.postgresql.audit_check import AuditCheck
from hookstream_keys.store.postgresql.session import SNAPSHOT, Session, session, transaction
from hookstream_keys.store.postgresql.transfer import (
    differences,
    into_file,
    into_postgresql,
    tables,
)
from hookstream_keys.store.records import (
    AuditEvent,
    Backup,
    ChainCheck,
    DeletionEvents,
    Progress,
    Pruned,
    RestoreChange,
    Restored,
    RevocationEvents,
    SealKeys,
)
from hookstream_keys.store.sqlite import SqliteStore, backup_files
from hookstream_keys.store.state_check import StateCheck

Result = TypeVar("Result")

#: A transaction that reads one snapshot, taken after its locks, and writes.
_WRITING = "begin isolation level repeatable read"
_HASHES = "select hash from audit_log where id = any($1) order by org_id"
_HAS_DATA = """
    select exists (select 1 from audit_log) or exists (select 1 from organization)
        or exists (select 1 from "user")
"""


class _FileOfDatabase(SqliteStore):
    """A file of the database, whose messages are about that."""

    def _name_and_remedy(self) -> tuple[str, str]:
        return "in PostgreSQL", "restore it into a new, empty database, and use that one"


class OperatorFiles(AuditCheck):
    """The methods of `OperatorStore` that work on a file of the database."""

    def backup(self, path: Path, now: str, seal_key: bytes) -> tuple[Backup, StateCheck]:
        """As `OperatorStore.backup`; the head has that of each chain."""
        if path.exists():
            raise BackupRefused(f"{path} exists; it is not overwritten")
        with self._snapshot() as (database, file):
            found = audit_check.check(database, None)
            _require_chain(found)
            made, state = SqliteStore(file).backup(path, now, seal_key)
        return made._replace(head=found.head), state

    def check_audit_log(
        self,
        expected_head: str | None = None,
        *,
        archives: Sequence[Path] = (),
        progress: Progress | None = None,
    ) -> ChainCheck:
        """As `OperatorStore.check_audit_log`: with archives, the rows are one chain with theirs."""
        if not archives:
            return super().check_audit_log(expected_head, progress=progress)
        with self._snapshot(progress) as (database, file):
            found = audit_check.check(database, None, progress)
            if found.fault is not None:
                return found
            head, others = _archived_heads(database, expected_head)
            whole = SqliteStore(file).check_audit_log(head, archives=archives, progress=progress)
            whole = _check_others(file, whole, others, archives)
        return _with_heads(whole, found)

    def check_state(
        self,
        now: str,
        expected_head: str | None = None,
        *,
        archives: Sequence[Path] = (),
        progress: Progress | None = None,
    ) -> StateCheck:
        """As `OperatorStore.check_state`; the head has that of each chain."""
        with self._snapshot(progress) as (database, file):
            found = audit_check.check(database, None if archives else expected_head, progress)
            if found.fault is not None:
                return StateCheck(found)
            head, others = _archived_heads(database, expected_head) if archives else (None, [])
            state = SqliteStore(file).check_state(now, head, archives=archives, progress=progress)
            state.chain = _check_others(file, state.chain, others, archives)
        state.chain = _with_heads(state.chain, found)
        return state

    def restore(
        self,
        path: Path,
        now: str,
        recorded: Callable[[RestoreChange], AuditEvent],
        seal_keys: SealKeys,
        *,
        deletions: DeletionEvents,
        revocations: RevocationEvents,
        unsealed: bool = False,
        rehearse: bool = False,
    ) -> Restored:
        """As `OperatorStore.restore`: a database without data counts as none."""

        def restore(file: Path, *, rehearse: bool) -> Restored:
            return _FileOfDatabase(file).restore(
                path, now, recorded, seal_keys, deletions=deletions, revocations=revocations,
                unsealed=unsealed, rehearse=rehearse,
            )  # fmt: skip

        if not self._has_data():
            # A rehearsal of it would make no file, whose plugins are compared.
            return self._restore_alone(partial(restore, rehearse=False), rehearse=rehearse)
        if not path.exists():
            raise BackupRefused(f"there is no file {path}")
        with _folder() as folder:
            # Before anything is locked: reading what is no file, such as a pipe, may never end.
            earlier = folder / "backup"
            backup_files.copy(path, earlier)

            def change(file: Path, database: Session) -> Restored:
                found = restore(file, rehearse=rehearse)
                found.backup = found.backup._replace(head=_heads_at(database, earlier))
                return found

            return self._changed(change, rehearse=rehearse, earlier=earlier)

    def accept_changes(
        self,
        now: str,
        recorded: Callable[[AcceptedChange], AuditEvent],
        *,
        only: Collection[str] = (),
        archives: Sequence[Path] = (),
        rehearse: bool = False,
        progress: Progress | None = None,
    ) -> Acceptance:
        """As `OperatorStore.accept_changes`."""
        return self._changed(
            lambda file, _: SqliteStore(file).accept_changes(
                now, recorded, only=only, archives=archives, rehearse=rehearse, progress=progress
            ),
            rehearse=rehearse,
            of_damage=lambda _: AcceptRefused(LOG_DAMAGED),
        )

    def prune_audit_log(
        self,
        before: str,
        to: Path | None,
        recorded: Callable[[Mapping[str, Any]], AuditEvent],
        *,
        progress: Progress | None = None,
    ) -> Pruned | None:
        """As `OperatorStore.prune_audit_log`, but all rows go at once, which nothing waits for."""
        with self._snapshot(progress) as (database, file):
            if audit_check.check(database, None, progress).fault is not None:
                raise PruneRefused(
                    "the audit log is not as it was written, and is left as it is; run "
                    "hookstream-keys audit verify"
                )
            database.execute("rollback")
            after = _copy_of(file)
            pruned = SqliteStore(after).prune_audit_log(before, to, recorded, progress=progress)
            if pruned is not None:
                with transaction(database):
                    # The data may have moved meanwhile.
                    background.run(moves.require_home(database.driver))
                    differences.apply(database, file, after)
        return pruned

    def _has_data(self) -> bool:
        with session(self.url) as database:
            if into_postgresql.is_filling(database):
                # What an interrupted restore has left of it is replaced.
                return False
            background.run(moves.require_home(database.driver))
            return not background.run(migrations.pending(database.driver)) and bool(
                database.value(_HAS_DATA)
            )

    def _changed(
        self,
        change: Callable[[Path, Session], Result],
        *,
        rehearse: bool,
        earlier: Path | None = None,
        of_damage: Callable[[str], Exception] = BackupRefused,
    ) -> Result:
        """Change a file of the database, and then the database; a rehearsal does not.

        Nothing else writes meanwhile, unless it is a rehearsal. `of_damage` makes the error for an
        audit log that was changed of what says so.
        """
        if rehearse:
            with self._snapshot(earlier=earlier) as (database, file):
                return change(file, database)
        with _folder() as folder, session(self.url) as database, transaction(database, _WRITING):
            tables.lock(database)
            _require_chain(audit_check.check(database, None), of_damage)
            file = folder / "database"
            into_file.write(database, file, earlier=earlier)
            after = _copy_of(file)
            result = change(after, database)
            differences.apply(database, file, after)
        return result

    def _restore_alone(self, restore: Callable[[Path], Restored], *, rehearse: bool) -> Restored:
        with _folder() as folder:
            file = folder / "database"
            found = restore(file)
            with session(self.url) as database:
                # Before any table is made.
                _require_plugins(file, database)
                if rehearse:
                    return found
                with into_postgresql.announced(database):
                    background.run(migrations.migrate(database.driver))
                    with into_postgresql.filled(file, database, restores=True):
                        into_postgresql.end(database)
        return found

    @contextmanager
    def _snapshot(
        self, progress: Progress | None = None, earlier: Path | None = None
    ) -> Iterator[tuple[Session, Path]]:
        """A transaction that reads one snapshot, and that as a file."""
        with _folder() as folder, session(self.url) as database:
            database.execute(SNAPSHOT)
            file = folder / "database"
            into_file.write(database, file, earlier=earlier, progress=progress)
            yield database, file


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder that only its owner reads, deleted after the block."""
    with tempfile.TemporaryDirectory(prefix="hookstream-keys-") as folder:
        try:
            yield Path(folder)
        except (StoreUnavailable, sqlite3.OperationalError) as error:
            # The text of the first is about a database that does not answer.
            cause = error.__cause__ if isinstance(error, StoreUnavailable) else error
            if not isinstance(cause, sqlite3.OperationalError):
                raise
            raise StoreUnavailable(
                f"a temporary copy of the database in {tempfile.gettempdir()} cannot be written "
                f"({cause}): let TMPDIR name a folder with more room"
            ) from error


def _copy_of(file: Path) -> Path:
    return Path(shutil.copy(file, file.with_name("changed")))


def _require_chain(
    found: ChainCheck, of_damage: Callable[[str], Exception] = BackupRefused
) -> None:
    if found.fault is not None:
        where = f"{found.fault.problem}, seq {found.fault.seq}"
        raise of_damage(f"the database's audit log is not as it was written: {where}")


def _require_plugins(file: Path, database: Session) -> None:
    own = file.with_name("own")
    into_file.create(own)
    with backup_files.reading(file, file) as found, backup_files.reading(own, own) as ours:
        tables.require_plugins(found, database, ours)


def _heads_at(database: Session, backup: Path) -> str:
    """The head that each chain had when the backup was made; pruned ones are left out."""
    with backup_files.reading(backup, backup) as file:
        last = file.execute("select id, max(seq) from audit_log group by org_id").fetchall()
    heads = database.all(_HASHES, [event_id for event_id, _ in last])
    return " ".join(entry_hash for (entry_hash,) in heads) or chain.GENESIS.hex()


def _archived_heads(
    database: Session, expected_head: str | None
) -> tuple[str | None, Sequence[str]]:
    """The heads that an archived row must have, since no remaining row has: one, and the others."""
    missing = audit_check.missing_heads(database, expected_head)
    return (missing[0], missing[1:]) if missing else (None, [])


def _check_others(
    file: Path, found: ChainCheck, heads: Sequence[str], archives: Sequence[Path]
) -> ChainCheck:
    """A check of the file's chain with archives, which must have each of these heads as well."""
    for head in heads:
        if found.fault is None:
            found = SqliteStore(file).check_audit_log(head, archives=archives)
    return found


def _with_heads(of_file: ChainCheck, found: ChainCheck) -> ChainCheck:
    """The check of a file's chain, with the heads of the database's own."""
    return replace(of_file, head=found.head) if of_file.fault is None else of_file
