"""New processes of `hookstream-keys` without the start of an interpreter, for support/forking.py.

This process imports what a command imports, does nothing else, and forks itself for each command.
The child ends as every interpreter does, so that a command's output, status and files are those of
`hookstream-keys`. Most of a short command's time is its imports, and reading the document.

It is a script, apart from pytest: python fork_server.py DESCRIPTOR MODULE…
"""

import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
from contextlib import suppress
from typing import Any

from hookstream_keys import cli
from hookstream_keys.contract import spec

#: A message's bytes at most; an environment and a command line are a few thousand.
MAX_MESSAGE = 2**17
STANDARD_STREAMS = 3


class ForkServer:
    """Forks for each message of a control socket, and reports how each child ended.

    A message is JSON, the object of `forking.start`, with four descriptors: the standard streams,
    and a socket. The child's process ID is sent to it, and then its exit code, each on a line.
    """

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._reports: dict[int, socket.socket] = {}
        # A child that ends wakes `select`.
        self._woken, self._wake = socket.socketpair()
        self._wake.setblocking(False)  # noqa: FBT003 -- takes no keyword
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def run(self) -> bool:
        """Return True in each child, ready for its command; False when the socket is closed."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if self._woken in ready:
                    self._woken.recv(4096)
                    self._report()
                if self._control not in ready:
                    continue
                message, descriptors, _, _ = socket.recv_fds(
                    self._control, MAX_MESSAGE, STANDARD_STREAMS + 1
                )
                if not message:
                    return False
                if self._is_child(descriptors):
                    break
        self._become(json.loads(message), descriptors)
        return True

    def _is_child(self, descriptors: list[int]) -> bool:
        process = os.fork()
        if process == 0:
            return True
        for each in descriptors[:STANDARD_STREAMS]:
            os.close(each)
        report = self._reports[process] = socket.socket(fileno=descriptors[-1])
        report.sendall(f"{process}\n".encode())
        return False

    def _report(self) -> None:
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                process, status = ended
                # Its socket is closed where nothing waits for it any more.
                with self._reports.pop(process) as report, suppress(OSError):
                    report.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())

    def _become(self, asked: dict[str, Any], descriptors: list[int]) -> None:
        """Make of this child what the kernel and the interpreter make of a new process."""
        if asked["leads_group"]:
            os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for each in (self._control, self._woken, self._wake, *self._reports.values()):
            each.close()
        for number, stream in enumerate(descriptors[:STANDARD_STREAMS]):
            os.dup2(stream, number)
        for descriptor in descriptors:
            os.close(descriptor)
        # As the interpreter opens them where they are no terminal.
        options: dict[str, Any] = {"encoding": "utf-8", "closefd": False}
        sys.stdin = open(0, **options)  # noqa: SIM115 -- for as long as the process
        sys.stdout = open(1, "w", **options)  # noqa: SIM115
        options |= {"buffering": 1, "errors": "backslashreplace"}
        sys.stderr = open(2, "w", **options)  # noqa: SIM115
        os.environ.clear()
        os.environ.update(asked["environment"])
        os.chdir(asked["folder"])
        sys.argv = asked["arguments"]


if __name__ == "__main__":
    for name in sys.argv[2:]:
        importlib.import_module(name)
    spec.document()
    # Otherwise each child's garbage collection copies the memory of all that was imported.
    gc.freeze()
    if ForkServer(socket.socket(fileno=int(sys.argv[1]))).run():
        cli.main()
