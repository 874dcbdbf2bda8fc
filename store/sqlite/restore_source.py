"""The source of a restore: a private copy of the backup, checked and migrated."""

from contextlib import closing
from pathlib import Path
from typing import Any

from hookstream_keys.store.errors import BackupRefused, SealRefused
from hookstream_keys.store.records import Backup, Restored, SealKeys
from hookstream_keys.store.sqlite import audit_state, backup_files, backup_schema, backup_seal
from hookstream_keys.store.sqlite.connection import connect, transaction
from hookstream_keys.store.sqlite.engine import SqliteEngine, translated
from hookstream_keys.store.state_check import Difference

_UNSEALED = (
    "--unsealed puts it back nevertheless: use it only if you know where the file comes from and "
    "who could write to it"
)
#: How many of a backup's faults are listed; `audit verify --state` lists all after the restore.
_TOLD = 10

#: By the kind and the field of a fault: the statement that applies a revocation of the log.
_ENDED = {
    ("api_key", "revoked_at"): "update api_key set revoked_at = ? where id = ?"
    " and revoked_at is null",
    ("api_key", "revocation_reason"): "update api_key set revocation_reason = ? where id = ?",
    ("rotation", "state"): "update rotation set state = ?, cancelled_at ="
    " coalesce(cancelled_at, created_at) where id = ? and state = 'pending'",
}
#: A deletion goes on. Who began it is in the log.
_DELETE = """
    insert into pending_deletion (id, org_id, kind, deleted_at, reason, request_id)
    values (?, ?, ?, ?, ?, ?)
"""

#: A statement and its values.
_Repair = tuple[str, tuple[Any, ...]]


def prepare(path: Path, draft: Path, now: str, seal_keys: SealKeys, *, unsealed: bool) -> Restored:
    """Copy a backup into the draft, and check and migrate it.

    Refused are: a damaged database, or of a newer version; one without a seal by one of the keys,
    or that is not as its own audit log says. The latter two are warnings if `unsealed`, and what
    is revoked by the log is revoked in the draft. Raises BackupRefused or DatabaseTooNew.
    """
    backup_files.copy(path, draft)
    warnings: list[str] = []
    with backup_files.reading(draft, path) as connection:
        try:
            backup_seal.require(connection, draft, seal_keys)
        except SealRefused as error:
            if not unsealed:
                raise BackupRefused(f"{path} {error}; {_UNSEALED}") from error
            warnings.append(str(error))
        backup_files.require_sound(connection, path)
        if warnings:
            backup_schema.require_known(connection, path)
    with translated(), closing(connect(str(draft))) as connection:
        backup_seal.remove(connection)
    SqliteEngine(draft).migrate()
    is_sealed = not warnings
    backup = _checked(path, draft, now, warnings, unsealed=unsealed)
    return Restored(backup, compared=False, sealed=is_sealed, warnings=warnings)


def _checked(path: Path, draft: Path, now: str, warnings: list[str], *, unsealed: bool) -> Backup:
    """Compare the backup's rows with its audit log, and apply the log's revocations."""
    repairs: list[_Repair] = []

    def look(difference: Difference) -> None:
        repair = _repair(difference)
        if repair is not None:
            repairs.append(repair)

    with backup_files.reading(draft, path) as connection:
        if warnings:
            backup_schema.require_tables(connection, path)
        state = audit_state.check(connection, now, tell=look)
        backup = backup_files.require_chain(connection, state.chain, path)
    if not backup.seq:
        raise BackupRefused(f"{path} is no backup of hookstream-keys, or of an empty database")
    if state.faults and not unsealed:
        raise BackupRefused(
            f"{path} is not as its own audit log says {state.summary}. It was so when the backup "
            f"was made: run hookstream-keys audit verify --state on the database; {_UNSEALED}"
        )
    warnings += [f"is not as its own audit log says: {fault}" for fault in state.faults[:_TOLD]]
    if state.fault_count > _TOLD:
        more = state.fault_count - _TOLD
        warnings.append(f"is not as its own audit log says in {more} places more")
    if not state.is_complete:
        warnings.append(
            "was compared with its own audit log in part only: rows of that were pruned by a "
            "version that kept no checkpoint"
        )
    with translated(), closing(connect(str(draft))) as connection, transaction(connection):
        backup_schema.complete(connection)
        for statement, values in repairs:
            connection.execute(statement, values)
    return backup


def _repair(difference: Difference) -> _Repair | None:
    """The statement that ends in the draft what has ended by the log, with its values."""
    fault, row, expected = difference
    if fault.kind == "pending_deletion" and row is None and expected is not None:
        told = ("kind", "deleted_at", "reason", "request_id")
        return _DELETE, (expected.id, expected.org_id, *map(expected.value, told))
    statement = _ENDED.get((fault.kind, fault.field))
    if statement is None or fault.expected in (None, "pending"):
        return None
    return statement, (fault.expected, fault.id)
