"""systemd's protocols for services: socket activation (sd_listen_fds(3)) and sd_notify(3)."""

import os
import socket
from collections.abc import MutableMapping

#: The first descriptor that is passed (SD_LISTEN_FDS_START).
_FIRST_DESCRIPTOR = 3
_ACTIVATION = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")

READY, STOPPING = "READY=1", "STOPPING=1"


class ActivationError(Exception):
    """What systemd passed cannot be served on; the text says why."""


def passed_socket(environment: MutableMapping[str, str] = os.environ) -> socket.socket | None:
    """The listening socket that systemd passed to this process, or None.

    Its variables are removed, so that no process that is started from here takes them for its own.
    Raises ActivationError.
    """
    pid, count, _ = (environment.pop(name, "") for name in _ACTIVATION)
    if pid != str(os.getpid()):
        # They were meant for a parent process.
        return None
    if count != "1":
        raise ActivationError(
            f"systemd passed {count or 'no'} sockets: the unit takes one ListenStream="
        )
    passed = socket.socket(fileno=_FIRST_DESCRIPTOR)
    listens = passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if passed.type != socket.SOCK_STREAM or not listens:
        raise ActivationError(
            "systemd passed a socket that is no listening stream: the unit takes ListenStream=, "
            "with Accept=no"
        )
    return passed


def notify(state: str) -> None:
    """Tell the service manager, if there is one, that the service is in this state.

    Raises OSError when its socket cannot be reached.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        # Linux's abstract namespace.
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(address)
        sender.sendall(state.encode())
