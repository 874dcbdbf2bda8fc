"""What was taken of limits: one table for all workers of a machine, in a file beside the database.

Every worker reads and writes the same small file, under a lock of the operating system on
the part that it is about, so that a limit is as exact over many workers as in one. Nothing of
it is worth keeping: it is never synced, and what an earlier boot of the machine left is
thrown away. While it cannot be written, because the disk is full or broken, each worker goes on
with what it remembers itself: limits then hold for each worker alone, and nobody is turned away
for a file that says nothing of him.

The table is a hash table of a fixed size: 32,768 rows of 8 places, 16 bytes each. A place
whose bucket has run empty is free. Should a row ever have none, the bucket that is the nearest
to being empty makes room, and what was taken of it is forgotten.
"""

import fcntl
import logging
import os
import secrets
import struct
import threading
import time
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from hookstream_keys.domain.limits import Decision, Limit, decide
from hookstream_keys.runtime.rate_limit_names import OF_KEYS
from hookstream_keys.store import StoreUnavailable

log = logging.getLogger("hookstream_keys")

#: The first rows are for keys. A tenant makes as many keys as it likes, and a row that is full
#: forgets the bucket that is nearest to empty: no number of keys makes the limits of sign-in, of
#: organizations and of addresses be forgotten.
ROWS_OF_KEYS = 32_768
ROWS_OF_OTHERS = 16_384
ROWS = ROWS_OF_KEYS + ROWS_OF_OTHERS
PLACES = 8
_PLACE = struct.Struct("<QQ")
_ROW = struct.Struct("<" + "QQ" * PLACES)
#: Says what the file is, and of which boot of the machine; then the key of the hash.
_HEADER = struct.Struct("<24s40s64s")
_NAME = b"hookstream-keys limits 2"
SIZE = _HEADER.size + ROWS * _ROW.size

#: Linux names each boot. Where there is no such name, what is left of an earlier boot counts as
#: full buckets, which empty within their period.
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

#: A worker remembers so many buckets while the file cannot be written, those that it saw last.
MOST_REMEMBERED = 10_000


def limits_path(database: Path) -> Path:
    """The file of limits beside a database."""
    return database.with_name(database.name + ".limits")


class _Place(NamedTuple):
    offset: int
    empty_at: int


class RateLimitCounters:
    """The buckets in the file at `path`, which is made if there is none.

    Raises StoreUnavailable when the file cannot be made or, later, cannot be locked.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        # An organization's bucket is asked for with each of its requests.
        self._address = lru_cache(maxsize=4096)(self._hashed)
        #: What the file could not be told: when which bucket will be empty, by its mark.
        self._remembered: dict[int, int] = {}
        self._fails = False
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                self._key = self._prepare()
            except BaseException:
                os.close(self._file)
                raise
        except OSError as error:
            raise StoreUnavailable(f"cannot use the file {path}: {error.strerror}") from error

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def consume(self, name: str, limit: Limit, cost: int = 1) -> Decision:
        """Take `cost` of the bucket of this name, if the limit lets it."""
        return self._change(name, limit, cost)

    def refund(self, name: str, limit: Limit, cost: int = 1) -> None:
        """Undo what was taken."""
        self._change(name, limit, -cost)

    def peek(self, name: str, limit: Limit, cost: int = 0) -> Decision:
        """What is left of the bucket, or what taking `cost` would be answered; takes nothing."""
        row, mark = self._address(name)
        now = time.monotonic_ns()
        return decide(limit, self._find(row, mark, now).empty_at, now, cost)[1]

    def _change(self, name: str, limit: Limit, cost: int) -> Decision:
        row, mark = self._address(name)
        # The operating system's lock is the process's; among its threads it is no lock.
        with self._lock:
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX, _ROW.size, row)
                try:
                    now = time.monotonic_ns()
                    place = self._find(row, mark, now)
                    empty_at, decision = decide(limit, place.empty_at, now, cost)
                    if empty_at != place.empty_at:
                        self._keep(place.offset, mark, empty_at)
                finally:
                    fcntl.lockf(self._file, fcntl.LOCK_UN, _ROW.size, row)
            except OSError as error:
                message = f"the file of limits cannot be locked: {error.strerror}"
                raise StoreUnavailable(message) from error
        return decision

    def _keep(self, offset: int, mark: int, empty_at: int) -> None:
        """Write when a bucket will be empty, or remember it where that cannot be written."""
        try:
            place = _PLACE.pack(mark, empty_at)
            if os.pwrite(self._file, place, offset) < len(place):
                _write_all(self._file, place, offset)
        except OSError as error:
            if not self._fails:
                log.warning("limits hold for each worker alone: %s", error.strerror)
            self._fails = True
            self._remember(mark, empty_at)
        else:
            self._fails = False
            if self._remembered:
                self._remembered.pop(mark, None)

    def _remember(self, mark: int, empty_at: int) -> None:
        self._remembered.pop(mark, None)
        self._remembered[mark] = empty_at
        if len(self._remembered) > MOST_REMEMBERED:
            self._remembered.pop(next(iter(self._remembered)))

    def _find(self, row: int, mark: int, now: int) -> _Place:
        """The bucket's place, or else the one in its row that it may have."""
        try:
            # Of a file that was cut short while it was open, the rest is empty buckets.
            found = os.pread(self._file, _ROW.size, row).ljust(_ROW.size, b"\0")
        except OSError:
            found = bytes(_ROW.size)
        remembered = self._remembered.get(mark, 0) if self._remembered else 0
        values = _ROW.unpack(found)
        marks, moments = values[::2], values[1::2]
        if mark in marks:
            place = marks.index(mark)
            return _Place(row + place * _PLACE.size, max(moments[place], remembered))
        place = moments.index(min(moments))
        return _Place(row + place * _PLACE.size, max(now, remembered))

    def _hashed(self, name: str) -> tuple[int, int]:
        """Where the bucket's row is, and the mark of its place. The key makes both unguessable."""
        digest = blake2b(name.encode(), key=self._key, digest_size=16).digest()
        number = int.from_bytes(digest[:8], "little")
        if name.startswith(OF_KEYS):
            row = number % ROWS_OF_KEYS
        else:
            row = ROWS_OF_KEYS + number % ROWS_OF_OTHERS
        return _HEADER.size + row * _ROW.size, int.from_bytes(digest[8:], "little")

    def _prepare(self) -> bytes:
        """Make the file what it must be, whoever is first; and give the key of its hash."""
        boot = _BOOT_ID.read_bytes().strip() if _BOOT_ID.exists() else b""
        fcntl.lockf(self._file, fcntl.LOCK_EX, _HEADER.size, 0)
        try:
            found = os.pread(self._file, _HEADER.size, 0).ljust(_HEADER.size, b"\0")
            name, of_boot, key = _HEADER.unpack(found)
            whole = os.fstat(self._file).st_size >= SIZE
            if not whole or (name, of_boot.rstrip(b"\0")) != (_NAME, boot):
                key = secrets.token_bytes(64)
                # All of it: a disk that is full says so now, and not when somebody is limited.
                _write_all(self._file, _HEADER.pack(_NAME, boot, key).ljust(SIZE, b"\0"), 0)
            return bytes(key)
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, _HEADER.size, 0)


def _write_all(file: int, data: bytes, offset: int) -> None:
    # A disk that is nearly full takes a part first, and only then says so.
    written = 0
    while written < len(data):
        written += os.pwrite(file, data[written:], offset + written)
