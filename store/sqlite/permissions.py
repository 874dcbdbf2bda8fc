"""Who may read the database's files: session tokens are in them in the clear."""

import shlex
import stat
from pathlib import Path

from hookstream_keys.store.errors import StoreUnavailable


def require_private(path: Path) -> None:
    """Refuse a database that every user of the machine can read or write.

    A group may: it is how a better-auth that runs as another user shares the database. What does
    not exist is private. Raises StoreUnavailable, with the command that changes it.
    """
    path = path.absolute()
    files = [path, *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))]
    shared = [file for file in files if file.is_file() and _is_open_to_others(file)]
    if shared:
        raise StoreUnavailable(
            f"every user of this machine can use {', '.join(map(str, shared))}, which has session "
            f"tokens; make it private: chmod o-rwx {shlex.join(map(str, shared))}"
        )


def _is_open_to_others(file: Path) -> bool:
    return bool(file.stat().st_mode & stat.S_IRWXO)
