"""The processes of a server, and killing them."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from support import Server

#: How long a condition is waited for; the machine may be busy with other things.
DEADLINE_SECONDS = 120


def workers(server: Server) -> set[int]:
    """The process ids of the workers of a server that has several."""
    process = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    # multiprocessing has a helper process of its own beside the workers.
    return {int(pid) for pid in process.read_text().split() if "spawn_main" in _command(int(pid))}


def kill_group(server: Server) -> None:
    """`kill -9` to the server and all of its workers at once, and wait until they are gone."""
    members = {server.process.pid, *workers(server)}
    os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait(timeout=DEADLINE_SECONDS)
    wait_for(lambda: not any(map(is_running, members)), "a killed process is still there")


def kill_worker(pid: int) -> None:
    """`kill -9` to a worker, and wait until it is gone: from then on it accepts no connection."""
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not is_running(pid), "a killed worker is still there")


def is_running(pid: int) -> bool:
    """Whether there is such a process, and not only what its parent has yet to learn of it."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def wait_for(condition: Callable[[], bool], or_else: str) -> None:
    """Return when the condition holds. Raises AssertionError when it does not in time."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, or_else
        time.sleep(0.01)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
