"""The sandbox's temporary directory, in memory where the system has such a place."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

#: Linux's directory in memory.
_IN_MEMORY = Path("/dev/shm")  # noqa: S108 - a private directory is made in it
_PREFIX = "hookstream-keys-sandbox-"
_LOCK = "lock"


@contextmanager
def temporary_directory(parent: Path | None = None) -> Iterator[Path]:
    """A directory that only this user can read, deleted at the end.

    It is made in `parent`; without one, in memory or where the system has temporary files. Those
    of sandboxes that were killed are deleted there, too: a running one holds a lock.
    """
    root = parent or _default_parent()
    _delete_abandoned(root)
    directory, lock = _locked_directory(root)
    try:
        with lock:
            yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _locked_directory(root: Path) -> tuple[Path, TextIO]:
    """A new directory, and the file in it that this process has locked."""
    while True:
        directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
        lock = (directory / _LOCK).open("w", encoding="ascii")
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (directory / _LOCK).exists():
            return directory, lock
        # Another sandbox that starts has found it without its lock, and deleted it.
        lock.close()


def _default_parent() -> Path:
    return _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else Path(tempfile.gettempdir())


def _delete_abandoned(root: Path) -> None:
    for directory in root.glob(f"{_PREFIX}*"):
        # Another user's, or one that is being made or deleted.
        with suppress(OSError), (directory / _LOCK).open("r", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(directory, ignore_errors=True)
