"""One sandbox for all workers of a run of pytest-xdist.

The worker that needs it first starts it; the last one that has used it stops it. Each worker that
uses it holds a shared lock, which the system releases also when a worker crashes.
"""

import fcntl
import json
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from hookstream_keys.testing import process
from hookstream_keys.testing.control import Control, SandboxError
from hookstream_keys.testing.sandbox import Sandbox

#: How often to look whether a process has ended; seconds.
_INTERVAL = 0.02


@contextmanager
def tenant_of_worker(
    folder: Path, worker: str, options: Sequence[str], command: Sequence[str]
) -> Iterator[Sandbox]:
    """A worker's own tenant of the sandbox that all workers share by a folder.

    Raises SandboxError.
    """
    folder.mkdir(exist_ok=True)
    with (folder / "users").open("a") as users, (folder / "log").open("a+b") as log:
        with _alone(folder):
            facts = _facts(folder) or _start(folder, options, command, log)
            fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield process.sandbox_of(facts, log).create_tenant(worker)
        finally:
            with _alone(folder):
                _stop_after_last(folder, users.fileno())


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep the other workers from starting and stopping it."""
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _facts(folder: Path) -> dict[str, Any] | None:
    """The facts of the sandbox that runs."""
    with suppress(FileNotFoundError):
        found: dict[str, Any] = json.loads((folder / "facts").read_text(encoding="utf-8"))
        return found
    return None


def _start(
    folder: Path, options: Sequence[str], command: Sequence[str], log: IO[bytes]
) -> dict[str, Any]:
    # With the controller: a worker can crash, and be replaced, while others use the sandbox.
    started, facts = process.start(options, command, log, os.getppid())
    (folder / "pid").write_text(str(started.pid), encoding="utf-8")
    (folder / "facts").write_text(json.dumps(facts), encoding="utf-8")
    # Another worker may stop it; its status is then collected here.
    threading.Thread(target=started.wait, daemon=True).start()
    return facts


def _stop_after_last(folder: Path, users: int) -> None:
    """Stop the sandbox unless another worker uses it."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(users, fcntl.LOCK_UN)
        return
    facts = _facts(folder)
    (folder / "facts").unlink(missing_ok=True)
    if facts is None or not _answers(facts):
        # It has ended by itself, and the number may be another process's by now.
        return
    number = int((folder / "pid").read_text(encoding="utf-8"))
    deadline = time.monotonic() + process.STOP_TIMEOUT
    with suppress(ProcessLookupError):
        os.kill(number, signal.SIGTERM)
        while time.monotonic() < deadline:
            os.kill(number, 0)
            time.sleep(_INTERVAL)
        os.kill(number, signal.SIGKILL)


def _answers(facts: dict[str, Any]) -> bool:
    try:
        Control(facts["control_url"], str).call("GET", "/facts")
    except SandboxError:
        return False
    return True
