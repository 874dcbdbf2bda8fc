"""How many connections a worker has open, and which it closes to make room for one more.

Every connection takes a file of the operating system, and where those run out the database
could not be opened either. So there is a bound below that. At it, the connections that have
been idle the longest are closed; a client that kept one for later opens another when it needs it.
Only where every one is in the middle of a request is a new one turned away.
"""

import functools
import resource
from collections.abc import Iterable
from typing import Protocol, TypeVar

#: A connection takes about 15 kB.
MOST_CONNECTIONS = 10_000
#: Files that are no connections: the database's, the log, those of the event loop, and as many
#: again, since the operating system accepts a few connections before any is closed.
OTHER_FILES = 64
#: So many are closed at once, of the bound: looking for them takes as long as for one.
CLOSED_AT_ONCE = 1 / 16


class Idle(Protocol):
    """A connection, as far as this needs to know it."""

    def idle_since(self) -> float | None:
        """Since when nothing is being answered on it; None where something is."""


Connection = TypeVar("Connection", bound=Idle)


def raise_file_limit() -> None:
    """Let this process, and those that it starts, have as many files open as they may need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@functools.cache
def most_connections() -> int:
    """How many connections this process may have."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return min(MOST_CONNECTIONS, max(files - OTHER_FILES, files // 2))


def idlest(connections: Iterable[Connection]) -> list[Connection]:
    """Those of `connections` to close: idle, and for the longest. Empty where none is idle."""
    idle = [(since, each) for each in connections if (since := each.idle_since()) is not None]
    idle.sort(key=lambda pair: pair[0])
    return [each for _, each in idle[: max(1, int(most_connections() * CLOSED_AT_ONCE))]]
