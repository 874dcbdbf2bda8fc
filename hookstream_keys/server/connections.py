"""The limit of connections of a worker, and which connections are closed at the limit.

Every connection takes a file descriptor, and the database needs some, too. So the limit is below
the operating system's. At it, the connections that have been idle the longest are closed; their
clients reconnect when they need to. Only when every connection is in the middle of a request is a
new one rejected (503).
"""

import asyncio
import functools
import resource
from collections.abc import Iterable
from typing import Protocol, TypeVar

from hookstream_keys.server.slow_clients import TimedProtocol

#: A connection takes about 15 kB.
MAX_CONNECTIONS = 10_000
#: File descriptors of the database, the log and the event loop, and as many again, since a few
#: connections are accepted before any is closed.
OTHER_FILES = 64
#: The share of the limit that is closed at once: finding many takes as long as finding one.
CLOSED_AT_ONCE = 1 / 16


def raise_file_limit() -> None:
    """Raise the soft limit of open files of this process and those that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@functools.cache
def max_connections() -> int:
    """How many connections this process may have."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return min(MAX_CONNECTIONS, max(files - OTHER_FILES, files // 2))


class Idle(Protocol):
    """What decides which connection is closed."""

    def idle_since(self) -> float | None:
        """Since when no request is in flight on it; None while one is."""


Connection = TypeVar("Connection", bound=Idle)


class ConnectionLimit(TimedProtocol):
    """uvicorn's HTTP/1.1 connection, within the limit of connections."""

    connections: "set[ConnectionLimit]"  # type: ignore[assignment]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; at the limit, close idle connections first."""
        super().connection_made(transport)
        if len(self.connections) > max_connections():
            self._make_room()

    def reject(self) -> None:
        """Close a connection that is over the limit."""
        self.transport.close()

    def _make_room(self) -> None:
        others = idlest(each for each in self.connections if each is not self)
        for each in others:
            self.connections.discard(each)
            each.transport.close()
        if not others:
            self.reject()


def idlest(connections: Iterable[Connection]) -> list[Connection]:
    """The connections to close: those that have been idle the longest."""
    idle = [(since, each) for each in connections if (since := each.idle_since()) is not None]
    idle.sort(key=lambda pair: pair[0])
    return [each for _, each in idle[: max(1, int(max_connections() * CLOSED_AT_ONCE))]]
