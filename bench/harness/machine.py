"""What a figure depends on besides the code: the machine, and the versions of everything."""

import os
import platform
import re
import sqlite3
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from harness.programs import require
from harness.system import System

_KIB = 1024
#: Of the machine before anything was run here.
_LOAD_BEFORE = os.getloadavg()[0]


def heading(systems: Iterable[System], *, by_wrk: bool = True) -> list[str]:
    """Lines of Markdown that tell when, where and with what figures were found.

    Raises Unusable where wrk, with `by_wrk`, is missing.
    """
    wrk = f", wrk {_wrk()}" if by_wrk else ""
    lines = [
        f"Found on {datetime.now(UTC):%Y-%m-%d}, on {os.cpu_count()} cores of {_processor()} with "
        f"{_memory()} GiB of memory, Linux {platform.release()}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}{wrk}; "
        f"{_LOAD_BEFORE:.1f} processes were running before.",
        "",
        "| system | versions |",
        "|---|---|",
    ]
    for system in systems:
        made_of = ", ".join(f"{name} {version}" for name, version in system.versions().items())
        lines.append(f"| {system.label} | {made_of} |")
    return [*lines, ""]


def _processor() -> str:
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text("utf-8"))
    return found[1] if found else platform.machine()


def _memory() -> int:
    found = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text("utf-8"))
    return round(int(found[1]) / _KIB / _KIB) if found else 0


def _wrk() -> str:
    # It prints its version with its usage, and then fails.
    done = subprocess.run(
        [require("wrk"), "--version"], capture_output=True, text=True, check=False
    )
    found = re.match(r"wrk (\S+)", done.stdout + done.stderr)
    return found[1] if found else "of an unknown version"
