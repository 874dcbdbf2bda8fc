"""Accepting connections: as many in a turn of the event loop as it took time for.

In a turn the loop serves every connection on which something has come, and libuv accepts one new
one (https://github.com/libuv/libuv/pull/3696). So where thousands ask at once, turns are long,
each connection makes them longer, and the last one waits for minutes to be let in. Here a turn
that took long is followed by the connections that came meanwhile.

No more of them than that: where several processes accept from one listener, none is to take all
that come at once while the others are still waking up.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any

import uvloop

#: A turn lets one more in for so much of its time, in seconds.
SECONDS_EACH = 0.001


class Loop(uvloop.Loop):
    """uvloop, with servers that accept so."""

    async def create_server(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.Protocol],
        *,
        sock: socket.socket,
        **kwargs: Any,
    ) -> asyncio.AbstractServer:
        """Serve a listener that is bound, as uvicorn has it done."""
        acceptor = _Acceptor(self, sock, protocol_factory)
        return await super().create_server(acceptor.accepted, sock=sock, **kwargs)


class _Acceptor:
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listener: socket.socket,
        new_protocol: Callable[[], asyncio.Protocol],
    ) -> None:
        self._loop = loop
        self._listener = listener
        self._new_protocol = new_protocol
        self._is_measuring = False
        #: Connections that are being let in: the loop itself keeps no hold of its tasks.
        self._entering: set[asyncio.Task[Any]] = set()

    def accepted(self) -> asyncio.Protocol:
        """A protocol for the one that the loop has accepted. There may be more where it was."""
        if not self._is_measuring:
            self._is_measuring = True
            # From the beginning of the next turn to that of the one after it.
            self._loop.call_soon(self._measure)
        return self._new_protocol()

    def _measure(self) -> None:
        self._loop.call_soon(self._after_turn, time.monotonic())

    def _after_turn(self, begun: float) -> None:
        due = int((time.monotonic() - begun) / SECONDS_EACH)
        self._is_measuring = due > 0 and all(self._accept() for _ in range(due))
        if self._is_measuring:
            self._measure()

    def _accept(self) -> bool:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            # Nobody waits, or there is no file left for one; the loop sees to that.
            return False
        entering = self._loop.connect_accepted_socket(self._new_protocol, connection)
        task = self._loop.create_task(entering)
        self._entering.add(task)
        task.add_done_callback(self._entering.discard)
        return True
