"""Faults in a server's files and clock: `inject.c`, preloaded, and the file that controls it."""

import errno
import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntFlag
from pathlib import Path
from typing import Any

_LAYOUT = struct.Struct("=iiiiiiqQ")
SOURCE = Path(__file__).with_name("inject.c")


class Kind(IntFlag):
    """Which of the files in the database's folder a fault is for."""

    DATABASE = 1
    WAL = 2
    SHM = 4
    LIMITS = 8
    OTHER = 16
    SQLITE = DATABASE | WAL | SHM
    ALL = SQLITE | LIMITS | OTHER


@dataclass(frozen=True)
class Fault:
    """The faults to inject; none by default."""

    kinds: Kind = Kind.ALL
    #: What writing, opening to write and syncing fail with.
    write: int = 0
    open: int = 0
    sync: int = 0
    #: Whether a write takes only half of what it is given.
    half: bool = False
    #: How much longer syncing takes, in milliseconds.
    sync_ms: int = 0
    #: How many seconds the wall clock is ahead.
    clock: int = 0


DISK_FULL = Fault(write=errno.ENOSPC)
DISK_BROKEN = Fault(write=errno.EIO, sync=errno.EIO)
SYNC_BROKEN = Fault(sync=errno.EIO)
READ_ONLY = Fault(write=errno.EROFS, open=errno.EROFS)
READ_ONLY_FILE = Fault(Kind.SQLITE, write=errno.EACCES, open=errno.EACCES)
HALF_WRITES = Fault(half=True)


@dataclass
class Injector:
    """The faults of what is started with `environment`, on the files beside `database`."""

    library: Path
    database: Path
    control: Path
    _page: mmap.mmap = field(init=False)

    def __post_init__(self) -> None:
        self.control.write_bytes(bytes(_LAYOUT.size))
        with self.control.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), _LAYOUT.size)

    @classmethod
    def beside(cls, database: Path, library: Path) -> "Injector":
        """Faults that are controlled from a folder of their own, where there are none."""
        folder = database.parent / "faults"
        folder.mkdir()
        return cls(library, database, folder / "control")

    @property
    def environment(self) -> dict[str, Any]:
        return {
            "LD_PRELOAD": str(self.library),
            "FAULTS_CONTROL": str(self.control),
            "FAULTS_FOLDER": os.path.realpath(self.database.parent),
        }

    @property
    def hits(self) -> int:
        """How often a fault has happened to a file: a test in which none did proves nothing."""
        found: int = _LAYOUT.unpack(self._page[:])[-1]
        return found

    def set(self, fault: Fault) -> None:
        """From now on this is wrong, and nothing else."""
        self._page[: _LAYOUT.size - 8] = _LAYOUT.pack(
            fault.kinds,
            fault.write,
            fault.open,
            fault.sync,
            fault.half,
            fault.sync_ms,
            fault.clock,
            0,
        )[:-8]

    @contextmanager
    def faulty(self, fault: Fault) -> Iterator[None]:
        """This is wrong until the block ends."""
        before = self.hits
        self.set(fault)
        try:
            yield
        finally:
            self.set(Fault())
        assert self.hits > before or fault.clock, "the fault never happened"
