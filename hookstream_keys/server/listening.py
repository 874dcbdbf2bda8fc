"""The listening socket: binding it, and draining it at shutdown.

Closing a listening socket resets the connections in its accept queue. So before it is closed, new
handshakes are dropped by a socket filter, and the queue is drained.
"""

import ctypes
import os
import select
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self

#: The listen backlog. Beyond it a SYN is dropped, and sent again after a second, then two, four and
#: so on. Linux allows no more by default (net.core.somaxconn).
BACKLOG = 4096
#: How long draining takes at most, in seconds, when no process accepts any more.
MAX_DRAIN_SECONDS = 2.0
#: How often the accept queue is polled, in seconds.
POLL_SECONDS = 0.01
#: How long the queue must stay empty, so that handshakes that have begun are complete.
QUIET_SECONDS = 0.1

#: Linux: attach a classic Berkeley Packet Filter to a socket (socket(7)). This one drops the first
#: segment of every handshake, SYN without ACK (RFC 9293, section 3.1: the flags are in byte 13),
#: and passes all else. The client sends the SYN again a second later, and finds the port closed, or
#: the next server.
_SO_ATTACH_FILTER = 26
_SYN_ACK, _SYN = 0x12, 0x02
_DROP_SYN = (
    struct.pack("HBBI", 0x30, 0, 0, 13),  # ldb [13]
    struct.pack("HBBI", 0x54, 0, 0, _SYN_ACK),  # and #0x12
    struct.pack("HBBI", 0x15, 0, 1, _SYN),  # jeq #0x02, and else over the next
    struct.pack("HBBI", 0x06, 0, 0, 0),  # ret #0
    struct.pack("HBBI", 0x06, 0, 0, 0xFFFF),  # ret #65535
)


#: Of a Unix socket: its owner and group may connect, no other user.
_UNIX_UMASK = 0o117


class BindError(Exception):
    """The address cannot be listened on; the text says why."""


class Listener:
    """A bound socket, and how to stop listening on it."""

    def __init__(
        self, socket: socket.socket, *, path: Path | None = None, is_inherited: bool = False
    ) -> None:
        """`path` is the file of a Unix socket that this process made.

        `is_inherited`: another process, systemd, listens on it as well, and goes on.
        """
        self.socket = socket
        self._path = path
        self._file = _identity(path) if path else None
        self._is_inherited = is_inherited

    @property
    def origin(self) -> str:
        """The URL without a path; of a Unix socket as nginx writes it: `http://unix:/FILE:`."""
        if self.socket.family == socket.AF_UNIX:
            return f"http://unix:{self.socket.getsockname()}:"
        address, port = self.socket.getsockname()[:2]
        return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"

    def stop(self) -> Iterator[float]:
        """Let no client connect; yield seconds to sleep until all that did are accepted.

        An inherited socket stays as it is: its queue is for the next process that is started.
        """
        if self._is_inherited:
            return
        if self._path is None:
            drop_new_syns(self.socket)
        else:
            self._remove_file()
        yield from drain_accept_queue(self.socket)

    def close(self) -> None:
        """Stop listening in this process."""
        self._remove_file()
        self.socket.close()

    def __enter__(self) -> Self:
        """The listener, which is closed at the end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def _remove_file(self) -> None:
        # Another server may have put its own there.
        if self._path is not None and self._file == _identity(self._path):
            self._path.unlink(missing_ok=True)


def bind_unix(path: Path) -> Listener:
    """Listen on a Unix socket, which its owner and group may connect to. Raises BindError.

    A file that no process listens on any more is replaced.
    """
    path = path.absolute()
    listener = socket.socket(socket.AF_UNIX)
    umask = os.umask(_UNIX_UMASK)
    try:
        _remove_abandoned(path)
        listener.bind(str(path))
        # At once: otherwise it would look abandoned to another server that starts.
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise BindError(f"cannot listen on {path}: {error.strerror or error}") from error
    except BindError:
        listener.close()
        raise
    finally:
        os.umask(umask)
    return Listener(listener, path=path)


def _remove_abandoned(path: Path) -> None:
    if not path.is_socket():
        if path.exists():
            # The system would say that the address is in use.
            raise BindError(f"cannot listen on {path}: the file exists, and is no Unix socket")
        return
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def bind(host: str, port: int) -> socket.socket:
    """Bind a socket to `host` and `port`; port 0 chooses a free one. Raises BindError.

    An empty host is refused: to the system it is every address of the machine.
    """
    if not host:
        raise BindError(
            "the host is empty: it takes an address to listen on, such as 127.0.0.1; every "
            "address of the machine is 0.0.0.0, or :: with IPv6"
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.set_inheritable(True)
    except OSError as error:
        listener.close()
        raise BindError(f"cannot listen on {host} port {port}: {error.strerror}") from error
    return listener


def drop_new_syns(listener: socket.socket) -> None:
    """Drop new handshakes; established connections can still be accepted.

    Without support by the system connections still begin, and the last may be reset.
    """
    program = b"".join(_DROP_SYN)
    buffer = ctypes.create_string_buffer(program, len(program))
    value = struct.pack("HP", len(_DROP_SYN), ctypes.addressof(buffer))
    with suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, value)


def drain_accept_queue(listener: socket.socket) -> Iterator[float]:
    """Yield seconds to sleep until the accept queue has stayed empty."""
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    begun = quiet_since = time.monotonic()
    while (now := time.monotonic()) < begun + MAX_DRAIN_SECONDS:
        if poll.poll(0):
            quiet_since = now
        elif now >= quiet_since + QUIET_SECONDS:
            return
        yield POLL_SECONDS
