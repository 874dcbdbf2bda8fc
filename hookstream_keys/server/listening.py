"""The address that is listened on, from the first connection to the last.

A socket that stops listening resets whoever has connected and was not accepted yet. So before
it does, it is told to let nobody new in, and those who wait are accepted.
"""

import ctypes
import select
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress

#: How long those who have connected are waited for, in seconds. They are accepted in far less;
#: where nobody accepts any more, a stop is not to take for ever.
LONGEST_SECONDS = 2.0
#: How often it is looked whether somebody still waits, in seconds.
LOOK_SECONDS = 0.01
#: So long nobody may have come: a handshake that had begun has ended by then.
QUIET_SECONDS = 0.1

#: Linux: give a socket a filter (socket(7)), written for the classic Berkeley Packet Filter. This
#: one drops every first segment of a handshake, which has SYN without ACK (RFC 9293, section
#: 3.1: the flags are in byte 13), and lets all else pass. Who connects in vain asks again a second
#: later, and finds the port closed, or the next server.
_SO_ATTACH_FILTER = 26
_SYN_ACK, _SYN = 0x12, 0x02
_NOBODY_NEW = (
    struct.pack("HBBI", 0x30, 0, 0, 13),  # ldb [13]
    struct.pack("HBBI", 0x54, 0, 0, _SYN_ACK),  # and #0x12
    struct.pack("HBBI", 0x15, 0, 1, _SYN),  # jeq #0x02, and else over the next
    struct.pack("HBBI", 0x06, 0, 0, 0),  # ret #0
    struct.pack("HBBI", 0x06, 0, 0, 0xFFFF),  # ret #65535
)


class BindError(Exception):
    """The address cannot be listened on; the text says why."""


def bind(host: str, port: int) -> socket.socket:
    """Listen on `host` and `port`; port 0 takes a free one. Raises BindError."""
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
    """Let no new connection begin; those that have been made can still be accepted.

    Where the system knows no such filter they go on, and the last may be reset.
    """
    program = b"".join(_NOBODY_NEW)
    buffer = ctypes.create_string_buffer(program, len(program))
    value = struct.pack("HP", len(_NOBODY_NEW), ctypes.addressof(buffer))
    with suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, value)


def drain_accept_queue(listener: socket.socket) -> Iterator[float]:
    """Give the seconds to wait, again and again, until nobody waits to be accepted."""
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    begun = quiet_since = time.monotonic()
    while (now := time.monotonic()) < begun + LONGEST_SECONDS:
        if poll.poll(0):
            quiet_since = now
        elif now >= quiet_since + QUIET_SECONDS:
            return
        yield LOOK_SECONDS
