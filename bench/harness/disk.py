"""A disk whose fsync is slower and counted: `disk.c`, preloaded into a server.

Not strace's fault injection: each stop of the server for another process to decide costs it
time that is not the disk's.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

from harness.places import WORK
from harness.programs import require, run

_SOURCE = Path(__file__).with_name("disk.c")


def build() -> Path:
    """The compiled library. Raises Unusable where there is no C compiler."""
    library = WORK / "disk.so"
    if not library.exists() or library.stat().st_mtime < _SOURCE.stat().st_mtime:
        library.parent.mkdir(parents=True, exist_ok=True)
        run(require("cc"), "-O2", "-Wall", "-shared", "-fPIC", "-o", library, _SOURCE, "-ldl")
    return library


@dataclass(frozen=True)
class Disk:
    """What a server is started with, to have its disk watched and made slower."""

    library: Path
    counter: Path
    delay_ms: float = 0

    @classmethod
    def at(cls, folder: Path, delay_ms: float = 0) -> "Disk":
        """A disk whose counter is kept in `folder`, and stands at 0."""
        counter = folder / "fsyncs"
        counter.write_bytes(bytes(8))
        return cls(build(), counter, delay_ms)

    def environment(self) -> dict[str, str]:
        """The variables that preload it."""
        return {
            "LD_PRELOAD": str(self.library),
            "BENCH_FSYNC_COUNT": str(self.counter),
            "BENCH_FSYNC_DELAY_US": str(round(self.delay_ms * 1000)),
        }

    def fsyncs(self) -> int:
        """How many times the server has waited for the disk."""
        count: int = struct.unpack("=Q", self.counter.read_bytes())[0]
        return count
