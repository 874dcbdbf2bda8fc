"""The signals of a server: the same with any number of workers.

SIGTERM, SIGINT, SIGHUP and SIGQUIT stop it gracefully. SIGHUP reloads nothing, since settings are
from the environment, which a running process keeps. SIGUSR1 and SIGUSR2, which would kill it, are
ignored.
"""

import signal
from collections.abc import Callable
from types import FrameType

Handler = Callable[[int, FrameType | None], None]

#: Sent by a terminal that closes, and by Ctrl-\\, to every process of a group.
OF_A_TERMINAL = (signal.SIGHUP, signal.SIGQUIT)
STOPPING = (signal.SIGTERM, signal.SIGINT, *OF_A_TERMINAL)
IGNORED = (signal.SIGUSR1, signal.SIGUSR2)


def handle(stop: Handler) -> None:
    """Let `stop` handle the signals that stop the server, in the main thread."""
    for number in STOPPING:
        # nohup(1) ignores it for the command that it starts.
        if number != signal.SIGHUP or not is_hangup_ignored():
            signal.signal(number, stop)
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)


def leave_to_supervisor() -> None:
    """In a worker: a signal to the whole group stops it by its supervisor only."""
    for number in (*OF_A_TERMINAL, *IGNORED):
        signal.signal(number, signal.SIG_IGN)


def is_hangup_ignored() -> bool:
    """Whether the command was started with SIGHUP ignored."""
    return signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
