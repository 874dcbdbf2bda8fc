"""Processes of `hookstream-keys` that are forks of one that has started (fork_server.py).

They behave as new ones do, and a short command takes a sixth of the processor time. What tests the
start itself, or runs several workers, runs the command.
"""

import atexit
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TextIO

FORK_SERVER = Path(__file__).with_name("fork_server.py")

#: What these commands import, and others do not.
_IMPORTS = {
    "serve": ("hookstream_keys.server.processes", "hookstream_keys.server.worker"),
    "sandbox": (
        "hookstream_keys.sandbox.application",
        "hookstream_keys.sandbox.parent",
        "hookstream_keys.sandbox.serving",
        "hookstream_keys.sandbox.tenants",
    ),
}

#: Another value of any other variable, such as PYTHONUTF8, needs a new interpreter.
_OF_THE_PRODUCT = ("HOOKSTREAM_", "BETTER_AUTH_")


def can_fork(settings: Mapping[str, str]) -> bool:
    """Whether a fork sees these variables as a new process would."""
    return all(name.startswith(_OF_THE_PRODUCT) for name in settings)


class ForkedProcess:
    """A process that a fork server started: what the tests use of `subprocess.Popen`."""

    def __init__(self, arguments: Sequence[str], report: socket.socket) -> None:
        self.args = arguments
        #: What the process prints, where it was started with a pipe.
        self.stdout: TextIO | None = None
        self._report = report
        self._received = b""
        self._waiting = threading.Lock()
        self.returncode: int | None = None
        self.pid = self._next_line(60)

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        try:
            return self.wait(timeout=0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code once it has ended. Raises subprocess.TimeoutExpired after the seconds."""
        with self._waiting:
            if self.returncode is None:
                self.returncode = self._next_line(timeout)
                self._report.close()
            return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            # It may have ended without having been reported.
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send it SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send it SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _next_line(self, timeout: float | None) -> int:
        self._report.settimeout(timeout)
        while b"\n" not in self._received:
            try:
                received = self._report.recv(100)
            except (TimeoutError, BlockingIOError) as error:
                raise subprocess.TimeoutExpired(list(self.args), timeout or 0) from error
            assert received, "the fork server has ended"
            self._received += received
        line, _, self._received = self._received.partition(b"\n")
        return int(line)


def run(
    arguments: Sequence[str],
    *,
    stdin: str,
    folder: Path,
    environment: Mapping[str, str],
    timeout: float,
) -> subprocess.CompletedProcess[str]:
    """Run a command line to its end, as `subprocess.run` does.

    Raises subprocess.TimeoutExpired after these seconds.
    """
    # In memory: there is no pipe to fill.
    streams = [os.memfd_create(name) for name in ("stdin", "stdout", "stderr")]
    try:
        os.pwrite(streams[0], stdin.encode(), 0)
        process = start(arguments, streams, folder=folder, environment=environment)
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        stdout, stderr = (
            os.pread(each, os.fstat(each).st_size, 0).decode() for each in streams[1:]
        )
    finally:
        for each in streams:
            os.close(each)
    return subprocess.CompletedProcess(arguments, status, stdout, stderr)


def start_with_pipe(
    arguments: Sequence[str], stderr: int, *, folder: Path, environment: Mapping[str, str]
) -> ForkedProcess:
    """Start a command line as the leader of a process group, whose `stdout` can be read."""
    reading, writing = os.pipe()
    with Path(os.devnull).open("rb") as nothing:
        streams = [nothing.fileno(), writing, stderr]
        process = start(
            arguments, streams, folder=folder, environment=environment, leads_group=True
        )
    os.close(writing)
    process.stdout = os.fdopen(reading, encoding="utf-8")
    return process


def start(
    arguments: Sequence[str],
    streams: Sequence[int],
    *,
    folder: Path,
    environment: Mapping[str, str],
    leads_group: bool = False,
) -> ForkedProcess:
    """Start a command line with these standard streams, in a process group of its own or not."""
    asked = {
        "arguments": list(arguments),
        "folder": str(folder),
        "environment": dict(environment),
        "leads_group": leads_group,
    }
    report, theirs = socket.socketpair()
    with theirs:
        command = next(iter(arguments[1:]), "")
        imports = _IMPORTS.get(command, ())
        _fork_server(imports).ask(json.dumps(asked).encode(), [*streams, theirs.fileno()])
    return ForkedProcess(arguments, report)


class _ForkServer:
    """One of this process's fork servers, with what it has imported. It ends with this process."""

    def __init__(self, modules: Sequence[str]) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._sending = threading.Lock()
        with theirs:
            # -P: beside the script are modules with the names of the standard library's.
            self._process = subprocess.Popen(
                [sys.executable, "-P", FORK_SERVER, str(theirs.fileno()), *modules],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        atexit.register(self._stop)

    def ask(self, message: bytes, descriptors: Sequence[int]) -> None:
        """Send a message of `fork_server.py`."""
        with self._sending:
            socket.send_fds(self._control, [message], descriptors)

    def _stop(self) -> None:
        # It ends when nothing more can be asked.
        self._control.close()
        self._process.wait(timeout=60)


_fork_server = functools.cache(_ForkServer)
