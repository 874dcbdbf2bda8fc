"""Files of backups: private, published atomically, and checked."""

import errno
import os
import secrets
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from hookstream_keys.domain.durable import fsync_directory
from hookstream_keys.store.errors import BackupRefused, StoreUnavailable
from hookstream_keys.store.records import Backup, ChainCheck

#: The suffixes of SQLite's files beside a database.
BESIDE = ("-wal", "-shm", "-journal")
#: Of these, those with changes that are not in the database file yet.
_CHANGES = ("-wal", "-journal")

_CHUNK = 1024 * 1024
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def draft_for(path: Path) -> Iterator[Path]:
    """An empty file beside `path`, readable by its owner only, deleted after the block.

    Raises BackupRefused when it cannot be created, and when the disk is full in the block.
    """
    path = path.absolute()
    draft = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    create(draft)
    try:
        with room_for(path):
            yield draft
    finally:
        for end in ("", *BESIDE):
            Path(f"{draft}{end}").unlink(missing_ok=True)


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """A block that writes beside `path`. Raises BackupRefused where the disk is full there."""
    try:
        yield
    except (sqlite3.OperationalError, StoreUnavailable) as error:
        cause = error if isinstance(error, sqlite3.OperationalError) else error.__cause__
        if getattr(cause, "sqlite_errorcode", None) != sqlite3.SQLITE_FULL:
            raise
        raise BackupRefused(
            f"cannot write {path}: there is no room left in {path.absolute().parent}"
        ) from error


def create(path: Path) -> None:
    """Create an empty file, readable by its owner only. Raises BackupRefused."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise BackupRefused(f"cannot write {path}: {error.strerror}") from error


def sync(path: Path) -> None:
    """Make a file and its name durable."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
    fsync_directory(path.parent)


def vacuum(source: sqlite3.Connection, draft: Path) -> None:
    """Write a snapshot of `source` into an empty file, without deleted content.

    A read transaction, during which others may write.
    """
    source.execute("vacuum into ?", (str(draft),))


def copy(path: Path, draft: Path) -> None:
    """Copy the bytes of a backup, so that the checked bytes are the used ones.

    Raises BackupRefused for what is not one complete file.
    """
    for end in _CHANGES:
        if _has_content(Path(f"{path}{end}")):
            raise BackupRefused(
                f"{path} is no sound backup: some of its changes are in {path}{end}; make one "
                "with hookstream-keys backup"
            )
    try:
        # Opening a pipe without a writer would block.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as source:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise BackupRefused(f"{path} is no sound backup: it is not a file")
            with draft.open("wb") as target:
                shutil.copyfileobj(source, target, _CHUNK)
    except OSError as error:
        if error.errno in _NO_ROOM:
            # Of the copy.
            where = draft.absolute().parent
            raise BackupRefused(f"there is no room left for a copy in {where}") from error
        raise BackupRefused(f"cannot read {path}: {error.strerror}") from error


def publish(draft: Path, path: Path) -> None:
    """Rename a draft, durably. Raises BackupRefused when the name exists."""
    try:
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        os.link(draft, path)
        fsync_directory(path.parent)
    except FileExistsError:
        raise BackupRefused(f"{path} exists; it is not overwritten") from None
    except OSError as error:
        raise BackupRefused(f"cannot write {path}: {error.strerror}") from error


@contextmanager
def reading(draft: Path, path: Path) -> Iterator[sqlite3.Connection]:
    """A read-only connection to a copy of the backup at `path`.

    Raises BackupRefused for a damaged database.
    """
    # Nothing writes to it: SQLite needs no lock, and reads no other file.
    uri = f"{draft.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            # Its schema may have been edited.
            connection.execute("pragma trusted_schema = off")
            yield connection
    except (sqlite3.DatabaseError, UnicodeError) as error:
        # The latter where a name in the schema is not text.
        raise BackupRefused(f"{path} is no sound backup: {error}") from error


def require_sound(connection: sqlite3.Connection, path: Path) -> None:
    """Raise BackupRefused unless the file and its foreign keys are consistent."""
    (found,) = connection.execute("pragma integrity_check(1)").fetchone()
    if found != "ok":
        raise BackupRefused(f"{path} is no sound backup: {found}")
    astray = connection.execute("pragma foreign_key_check").fetchone()
    if astray is not None:
        raise BackupRefused(
            f"{path} is no sound backup: a row of {astray[0]} belongs to none of {astray[2]}"
        )


def require_chain(connection: sqlite3.Connection, found: ChainCheck, path: Path) -> Backup:
    """The extent of the audit log. Raises BackupRefused when its chain is broken."""
    if found.fault is not None:
        where = f"{found.fault.problem}, seq {found.fault.seq}"
        raise BackupRefused(f"{path} is no sound backup: its audit log is not: {where}")
    last = connection.execute("select max(seq), created_at from audit_log").fetchone()
    return Backup(found.rows, found.head, last[1] or "", found.pruned)


def _has_content(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False
