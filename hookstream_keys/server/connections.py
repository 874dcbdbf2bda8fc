"""How many connections a worker has open, and which it closes to make room for one more.

Every connection takes a file of the operating system, and where those run out the database
could not be opened either. So there is a bound below that. At it, the connections that have
been idle the longest are closed; a client that kept one for later opens another when it needs it.
Only where every one is in the middle of a request is a new one turned away.
"""

import asyncio
import functools
import resource
from collections.abc import Iterable
from typing import Protocol, TypeVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: A connection takes about 15 kB.
MOST_CONNECTIONS = 10_000
#: Files that are no connections: the database's, the log, those of the event loop, and as many
#: again, since the operating system accepts a few connections before any is closed.
OTHER_FILES = 64
#: So many are closed at once, of the bound: looking for them takes as long as for one.
CLOSED_AT_ONCE = 1 / 16


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


class Idle(Protocol):
    """A connection, as far as it matters which is closed."""

    def idle_since(self) -> float | None:
        """Since when nothing is being answered on it; None where something is."""


Connection = TypeVar("Connection", bound=Idle)


class ConnectionLimit(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 over one connection, of which there are no more than may be."""

    connections: "set[ConnectionLimit]"  # type: ignore[assignment]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, and make room for that where there is none."""
        super().connection_made(transport)
        self._made_at = self.loop.time()
        if len(self.connections) > most_connections():
            self._make_room()

    def idle_since(self) -> float | None:
        """Since when nothing is being answered; None where something is, by the loop's clock."""
        if self.cycle is None:
            return self._made_at
        if not self.cycle.response_complete or self.timeout_keep_alive_task is None:
            return None
        return self.timeout_keep_alive_task.when() - self.timeout_keep_alive

    def reject(self) -> None:
        """End a connection for which there is no room."""
        self.transport.close()

    def _make_room(self) -> None:
        others = idlest(each for each in self.connections if each is not self)
        for each in others:
            self.connections.discard(each)
            each.transport.close()
        if not others:
            self.reject()


def idlest(connections: Iterable[Connection]) -> list[Connection]:
    """Those of `connections` to close: idle, and for the longest. Empty where none is idle."""
    idle = [(since, each) for each in connections if (since := each.idle_since()) is not None]
    idle.sort(key=lambda pair: pair[0])
    return [each for _, each in idle[: max(1, int(most_connections() * CLOSED_AT_ONCE))]]
