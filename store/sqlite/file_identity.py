"""Whether the open files of a connection are still those on the disk.

SQLite continues with a file that was deleted or replaced while open, and would acknowledge writes
that are lost. It has three: the database, and in use its `-wal` and `-shm`, which belong to that
database only.
"""

import os
from contextlib import suppress
from pathlib import Path

from hookstream_keys.store.errors import StoreUnavailable

#: The device and the inode.
_Identity = tuple[int, int] | None


class FileIdentity:
    """The files of the database at `path`, as they are now. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._wal = f"{path}-wal"
        self._shm = f"{path}-shm"
        self._opened = self._found()

    def are_in_place(self) -> bool:
        """Whether none was replaced: the quick check before every write."""
        database, wal, shm = self._opened
        stat = os.stat
        try:
            now = stat(self._path), stat(self._wal), stat(self._shm)
        except OSError:
            return False
        return (
            (now[0].st_dev, now[0].st_ino) == database
            and (now[1].st_dev, now[1].st_ino) == wal
            and (now[2].st_dev, now[2].st_ino) == shm
        )

    def differ_from(self, before: "FileIdentity") -> bool:
        """Whether the database is another file than that of `before`."""
        return self._opened[0] != before._opened[0]

    def are_replaced(self, *, writing: bool) -> bool:
        """Whether another database with all its files has replaced this one.

        Raises StoreUnavailable where the operator must act first. Reading needs only the database
        file itself in its place.
        """
        was, now = self._opened, self._found()
        if now[0] is None:
            raise StoreUnavailable(f"the database {self._path} is gone: deleted or moved away")
        if now[0] == was[0]:
            if writing and any(old not in (None, new) for old, new in zip(was, now, strict=True)):
                raise StoreUnavailable(
                    f"a file beside the database {self._path} was deleted or replaced while in "
                    "use, -wal or -shm: stop the server, which saves what it has of it, and start "
                    "it again"
                )
            return False
        if any(new is not None and new == old for old, new in zip(was, now, strict=True)):
            # With these, changes of the old database would be applied to the new one.
            raise StoreUnavailable(
                f"the database {self._path} was replaced, and files of the old one are still "
                f"beside it: delete {self._wal} and {self._shm}"
            )
        return True

    def _found(self) -> tuple[_Identity, _Identity, _Identity]:
        return _identity(self._path), _identity(self._wal), _identity(self._shm)


def _identity(path: str) -> _Identity:
    with suppress(FileNotFoundError):
        found = Path(path).stat()
        return found.st_dev, found.st_ino
    return None
