"""The process of a sandbox: start it, wait until it accepts connections, stop it."""

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

from hookstream_keys.testing.control import Control, SandboxError
from hookstream_keys.testing.sandbox import Sandbox

#: The command of this environment.
COMMAND = (sys.executable, "-m", "hookstream_keys", "sandbox")
#: A sandbox starts in less than a second on an idle machine; seconds.
START_TIMEOUT = 60
#: It stops at once; seconds.
STOP_TIMEOUT = 10

#: Variables of a real server. A sandbox refuses to start with them.
_OF_A_SERVER = ("HOOKSTREAM_DATABASE", "BETTER_AUTH_SECRET", "BETTER_AUTH_SECRETS")
#: How much of the log a message shows.
_SHOWN_LINES = 20


@contextmanager
def running_sandbox(
    options: Sequence[str] = (), command: Sequence[str] = COMMAND
) -> Iterator[Sandbox]:
    """A sandbox that runs until the end of the `with` block.

    `options` are those of `hookstream-keys sandbox`, such as `("--seed", "7")`. Raises
    SandboxError.

    The default command stops also when this process is killed.
    """
    with tempfile.TemporaryFile() as log:
        process, facts = start(options, command, log, os.getpid())
        try:
            yield sandbox_of(facts, log)
        finally:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def start(
    options: Sequence[str], command: Sequence[str], log: IO[bytes], tests: int
) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    """Start a sandbox that writes its log to a file: its process and its facts.

    `tests` is the id of the process with which it stops. Raises SandboxError.
    """
    # Another command may be one of a container, where this id is no process's or another one's.
    stop = ("--stop-with", str(tests)) if tuple(command) == COMMAND else ()
    whole = [*command, *stop, *options, "--json"]
    environment = {name: text for name, text in os.environ.items() if name not in _OF_A_SERVER}
    try:
        process = subprocess.Popen(  # noqa: S603 - the command is the test suite's own
            whole,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
        )
    except OSError as error:
        raise SandboxError(
            f"the sandbox's command cannot be run: {whole[0]}: {error.strerror}; install "
            "hookstream-keys[pytest] here, or set hookstream_command"
        ) from error
    try:
        with process.stdout:  # type: ignore[union-attr]  # it is a pipe
            return process, json.loads(_first_line(process))
    except BaseException as error:
        process.kill()
        status = process.wait()
        if not isinstance(error, ValueError):
            raise
        shown = " ".join(whole)
        raise SandboxError(
            f"the sandbox did not start: `{shown}` ended with status {status}\n{tail(log)}"
        ) from error


def sandbox_of(facts: dict[str, Any], log: IO[bytes]) -> Sandbox:
    """The sandbox with these facts, whose log is in a file."""

    def explain() -> str:
        return f"the sandbox at {facts['control_url']} does not answer; its log:\n{tail(log)}"

    return Sandbox(facts, Control(facts["control_url"], explain))


def tail(log: IO[bytes]) -> str:
    """The last lines of a log, for a message."""
    number = log.fileno()
    # Not by `read`, which would move the place where the sandbox writes: the two share it.
    lines = os.pread(number, os.fstat(number).st_size, 0).decode(errors="replace").splitlines()
    return "\n".join(lines[-_SHOWN_LINES:]) or "(empty)"


def _first_line(process: subprocess.Popen[bytes]) -> bytes:
    """The line with the facts; less when the process ends before. Raises SandboxError."""
    pipe = process.stdout.fileno()  # type: ignore[union-attr]  # it is a pipe
    deadline = time.monotonic() + START_TIMEOUT
    line = b""
    while not line.endswith(b"\n"):
        readable, _, _ = select.select([pipe], [], [], max(0, deadline - time.monotonic()))
        if not readable:
            raise SandboxError(f"the sandbox did not start within {START_TIMEOUT} seconds")
        part = os.read(pipe, 65536)
        if not part:
            break
        line += part
    return line
