"""Copies of a database file: private, whole before they have their name, and known to be sound."""

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from hookstream_keys.durable import sync_names
from hookstream_keys.store.errors import BackupRefused
from hookstream_keys.store.records import Backup
from hookstream_keys.store.sqlite import audit_chain

#: What SQLite keeps beside a database file.
BESIDE = ("-wal", "-shm", "-journal")

#: What lets somebody in without a key or password: signed-in sessions, links that were mailed.
LETS_IN = ('"session"', '"verification"')


@contextmanager
def draft_for(path: Path) -> Iterator[Path]:
    """An empty file beside `path`, readable by its owner only, which is gone after the block.

    Raises BackupRefused when it cannot be made.
    """
    path = path.absolute()
    draft = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise BackupRefused(f"cannot write {path}: {error.strerror}") from error
    try:
        yield draft
    finally:
        for end in ("", *BESIDE):
            Path(f"{draft}{end}").unlink(missing_ok=True)


def copy(source: sqlite3.Connection, draft: Path) -> None:
    """Write what `source` has at this moment into an empty file: nothing that was deleted.

    One reader's transaction, beside which others write.
    """
    source.execute("vacuum into ?", (str(draft),))


def publish(draft: Path, path: Path) -> None:
    """Give a draft its name, on the disk. Raises BackupRefused when something has it already."""
    try:
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        os.link(draft, path)
        sync_names(path.parent)
    except FileExistsError:
        raise BackupRefused(f"{path} exists; it is not overwritten") from None
    except OSError as error:
        raise BackupRefused(f"cannot write {path}: {error.strerror}") from error


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that only reads. Raises BackupRefused for what is no sound database."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            yield connection
    except sqlite3.DatabaseError as error:
        raise BackupRefused(f"{path} is no sound backup: {error}") from error


def require_sound(connection: sqlite3.Connection, path: Path) -> None:
    """Raise BackupRefused unless the file is whole, and nothing in it refers to what is not."""
    (found,) = connection.execute("pragma integrity_check(1)").fetchone()
    if found != "ok":
        raise BackupRefused(f"{path} is no sound backup: {found}")
    astray = connection.execute("pragma foreign_key_check").fetchone()
    if astray is not None:
        raise BackupRefused(
            f"{path} is no sound backup: a row of {astray[0]} belongs to none of {astray[2]}"
        )


def require_chain(connection: sqlite3.Connection, path: Path) -> Backup:
    """How far the audit log goes. Raises BackupRefused when it is not as it was written."""
    with audit_chain.one_moment(connection):
        found = audit_chain.follow(connection)
    if found.fault is not None:
        where = f"{found.fault.problem}, seq {found.fault.seq}"
        raise BackupRefused(f"{path} is no sound backup: its audit log is not: {where}")
    last = connection.execute("select max(seq), created_at from audit_log").fetchone()
    return Backup(found.rows, found.head, last[1] or "", found.pruned)
