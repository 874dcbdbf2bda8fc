"""The listening socket: binding it, and draining it at shutdown.

Closing a listening socket resets the connections in its accept queue. So before it is closed, new
handshakes are dropped by a socket filter, and the queue is drained.
"""

import ctypes
import select
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress

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


class BindError(Exception):
    """The address cannot be listened on; the text says why."""


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
