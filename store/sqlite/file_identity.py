"""Whether the files that a connection has open are still those in their place on the disk.

SQLite goes on with a file that was deleted or replaced while it had it open, and so would
acknowledge what nobody will ever find again. It keeps three: the database, and while it is in
use its `-wal` and its `-shm`, which belong to that database and to no other.
"""

import os
from contextlib import suppress
from pathlib import Path

from hookstream_keys.store.errors import StoreUnavailable

#: Which file it is, whatever it is called: the device's number and its own.
_Identity = tuple[int, int] | None


class FileIdentity:
    """The files of the database at `path`, as they are now. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._wal = f"{path}-wal"
        self._shm = f"{path}-shm"
        self._opened = self._found()

    def are_in_place(self) -> bool:
        """Whether all of them are where they were: the quick look, with every write."""
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
        """Whether the database is another than that of `before`."""
        return self._opened[0] != before._opened[0]

    def are_replaced(self, *, writing: bool) -> bool:
        """Whether a database with all that belongs to it has taken the place of this one.

        Raises StoreUnavailable where nothing may be done until somebody has seen to it. To read,
        nothing but the database itself must be in its place.
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
            # Opened with these, the new database would be mixed with changes of the old one.
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
