"""Rate-limit counters: one table for all workers of a machine, in a file beside the database.

Every worker reads and writes the same small file, under an advisory lock on the row, so limits
are as exact over many workers as in one. The file is not durable: it is never synced, and cleared
after a reboot. While it cannot be written, because the disk is full or broken, each worker counts
in memory: limits then hold per worker, and no request is rejected for the file's sake.

The table is a hash table of a fixed size: 49,152 rows of 8 slots, 24 bytes each. A slot whose
leaky bucket is empty is free. When a row has no free slot, the bucket that is the nearest to being
empty is evicted. A bucket has the interval of the limit that filled it, so a changed limit takes
over what was used.
"""

import fcntl
import logging
import os
import secrets
import struct
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from hookstream_keys.domain.limits import Decision, Limit, carried_over, decide
from hookstream_keys.runtime.rate_limit_names import OF_KEYS
from hookstream_keys.store import StoreUnavailable

log = logging.getLogger("hookstream_keys")

#: The first rows are for keys. A tenant may create any number of keys, and a full row evicts a
#: bucket: no number of keys evicts those of sign-in, organizations and addresses.
ROWS_OF_KEYS = 32_768
ROWS_OF_OTHERS = 16_384
ROWS = ROWS_OF_KEYS + ROWS_OF_OTHERS
PLACES = 8
#: The bucket's mark, when it will be empty, and the interval of its limit: 0 in an empty slot.
_PLACE = struct.Struct("<8sQQ")
_ROW = struct.Struct("<" + "8sQQ" * PLACES)
#: The file's format and the boot of the machine; then the key of the hash.
_HEADER = struct.Struct("<24s40s64s")
_NAME = b"hookstream-keys limits 3"
SIZE = _HEADER.size + ROWS * _ROW.size

#: Linux names each boot. Without such a name, what an earlier boot left counts as full buckets,
#: which empty within their period.
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

#: How many buckets a worker has in memory while the file cannot be written: the latest.
MAX_REMEMBERED = 10_000


def limits_path(database: Path) -> Path:
    """The file of rate-limit counters beside a database."""
    return database.with_name(database.name + ".limits")


class _Place(NamedTuple):
    offset: int
    #: Under the limit that is asked for.
    empty_at: int
    #: That limit's.
    interval: int
    #: Whether another limit filled it.
    is_carried_over: bool


class RateLimitCounters:
    """The leaky buckets in the file at `path`, which is created if it does not exist.

    Raises StoreUnavailable when the file cannot be made or, later, cannot be locked.
    """

    is_remote = False

    def __init__(self, path: Path, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        # An organization's bucket is needed for each of its requests.
        self._address = lru_cache(maxsize=4096)(self._hashed)
        #: What could not be written to the file: when a bucket will be empty, and the interval of
        #: its limit, by its mark.
        self._remembered: dict[bytes, tuple[int, int]] = {}
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
        """Close the file."""
        os.close(self._file)

    async def clear(self) -> None:
        """Empty all buckets."""
        with self._lock:
            self._remembered.clear()
            # What is missing from the file counts as empty buckets.
            os.ftruncate(self._file, _HEADER.size)

    async def prune(self) -> bool:
        """Nothing: the table has a fixed size."""
        return False

    async def consume(self, name: str, limit: Limit, cost: int = 1) -> Decision:
        """Consume `cost` of the limit of this name, if it allows that."""
        return self._change(name, limit, cost)

    async def refund(self, name: str, limit: Limit, cost: int = 1) -> None:
        """Undo a `consume`."""
        self._change(name, limit, -cost)

    async def peek(self, name: str, limit: Limit, cost: int = 0) -> Decision:
        """What `consume` would return for `cost`; consumes nothing."""
        row, mark = self._address(name)
        now = self._clock()
        return decide(limit, self._find(row, mark, limit, now).empty_at, now, cost)[1]

    async def forget(self, name: str, limit: Limit) -> None:
        """Empty the bucket of this name, whose limit was `limit`."""
        self._change(name, limit, -limit.requests)

    def _change(self, name: str, limit: Limit, cost: int) -> Decision:
        row, mark = self._address(name)
        # The file's lock is the process's, and does not exclude its other threads.
        with self._lock:
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX, _ROW.size, row)
                try:
                    now = self._clock()
                    place = self._find(row, mark, limit, now)
                    empty_at, decision = decide(limit, place.empty_at, now, cost)
                    if empty_at != place.empty_at or place.is_carried_over:
                        self._write(place.offset, mark, empty_at, place.interval)
                finally:
                    fcntl.lockf(self._file, fcntl.LOCK_UN, _ROW.size, row)
            except OSError as error:
                message = f"the file of limits cannot be locked: {error.strerror}"
                raise StoreUnavailable(message) from error
        return decision

    def _write(self, offset: int, mark: bytes, empty_at: int, interval: int) -> None:
        """Write when a bucket will be empty; in memory when the file cannot be written."""
        try:
            place = _PLACE.pack(mark, empty_at, interval)
            if os.pwrite(self._file, place, offset) < len(place):
                _write_all(self._file, place, offset)
        except OSError as error:
            if not self._fails:
                log.warning(
                    "rate limits hold per worker, since their file cannot be written: %s",
                    error.strerror,
                )
            self._fails = True
            self._remember(mark, empty_at, interval)
        else:
            self._fails = False
            if self._remembered:
                self._remembered.pop(mark, None)

    def _remember(self, mark: bytes, empty_at: int, interval: int) -> None:
        self._remembered.pop(mark, None)
        self._remembered[mark] = empty_at, interval
        if len(self._remembered) > MAX_REMEMBERED:
            self._remembered.pop(next(iter(self._remembered)))

    def _find(self, row: int, mark: bytes, limit: Limit, now: int) -> _Place:
        """The bucket's slot, or else the one in its row that it may take."""
        try:
            # What is missing from a truncated file counts as empty buckets.
            found = os.pread(self._file, _ROW.size, row).ljust(_ROW.size, b"\0")
        except OSError:
            found = bytes(_ROW.size)
        wanted = limit.interval
        offset = found.find(mark)
        while offset % _PLACE.size and offset > 0:
            # A part of another slot looks like it.
            offset = found.find(mark, offset + 1)
        if offset >= 0:
            _, empty_at, interval = _PLACE.unpack_from(found, offset)
        else:
            moments = _ROW.unpack(found)[1::3]
            offset = moments.index(min(moments)) * _PLACE.size
            empty_at, interval = now, wanted
        remembered = self._remembered.get(mark) if self._remembered else None
        if remembered is not None:
            empty_at, interval = max((empty_at, interval), remembered)
        is_carried_over = interval not in (wanted, 0)
        if is_carried_over:
            empty_at = carried_over(empty_at, interval, limit, now)
        return _Place(row + offset, empty_at, wanted, is_carried_over)

    def _hashed(self, name: str) -> tuple[int, bytes]:
        """The offset of the bucket's row, and its mark. The key makes both unpredictable."""
        digest = blake2b(name.encode(), key=self._key, digest_size=16).digest()
        number = int.from_bytes(digest[:8], "little")
        if name.startswith(OF_KEYS):
            row = number % ROWS_OF_KEYS
        else:
            row = ROWS_OF_KEYS + number % ROWS_OF_OTHERS
        return _HEADER.size + row * _ROW.size, digest[8:]

    def _prepare(self) -> bytes:
        """Initialize the file if no worker has; returns the key of its hash."""
        boot = _BOOT_ID.read_bytes().strip() if _BOOT_ID.exists() else b""
        fcntl.lockf(self._file, fcntl.LOCK_EX, _HEADER.size, 0)
        try:
            found = os.pread(self._file, _HEADER.size, 0).ljust(_HEADER.size, b"\0")
            name, of_boot, key = _HEADER.unpack(found)
            whole = os.fstat(self._file).st_size >= SIZE
            if not whole or (name, of_boot.rstrip(b"\0")) != (_NAME, boot):
                key = secrets.token_bytes(64)
                # The whole file: a full disk fails now, and not when a request is counted.
                _write_all(self._file, _HEADER.pack(_NAME, boot, key).ljust(SIZE, b"\0"), 0)
            return bytes(key)
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, _HEADER.size, 0)


def _write_all(file: int, data: bytes, offset: int) -> None:
    # A disk that is nearly full writes a part first, and fails only then.
    written = 0
    while written < len(data):
        written += os.pwrite(file, data[written:], offset + written)
