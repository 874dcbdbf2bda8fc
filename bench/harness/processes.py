"""What the kernel says of a server: its processes, the CPU they used, the memory they hold."""

import os
from pathlib import Path

_PROC = Path("/proc")
_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")

# Fields of /proc/<pid>/stat behind the name, which may hold spaces: proc(5) counts them from 3.
_PARENT, _UTIME, _STIME, _RESIDENT = 4 - 3, 14 - 3, 15 - 3, 24 - 3


def tree(root: int) -> list[int]:
    """The process `root` and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[_PARENT]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def cpu_seconds(root: int) -> dict[int, float]:
    """The CPU time that each process of the tree has used, in user and system mode.

    A process counts with all its threads. The clock's tick is a hundredth of a second.
    """
    return {
        pid: (int(fields[_UTIME]) + int(fields[_STIME])) / _TICK
        for pid in tree(root)
        if (fields := _stat(pid))
    }


def resident_bytes(root: int) -> dict[int, int]:
    """The memory that each process of the tree has in RAM, shared pages counted in each."""
    return {pid: int(fields[_RESIDENT]) * _PAGE for pid in tree(root) if (fields := _stat(pid))}


def maps(pid: int, library: Path) -> bool:
    """Whether the process has loaded the library."""
    return str(library) in (_PROC / str(pid) / "maps").read_text(encoding="utf-8")


def _stat(pid: int) -> list[str] | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None  # It ended meanwhile.
    return text.rpartition(")")[2].split()
