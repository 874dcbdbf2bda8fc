"""Accepting connections: as many in an iteration of the event loop as its duration allows.

In an iteration the loop serves every readable connection, and libuv accepts one new connection
(https://github.com/libuv/libuv/pull/3696). With thousands of connections, iterations are long, each
connection makes them longer, and the last one waits for minutes to be accepted. Here a long
iteration is followed by accepting the connections that arrived meanwhile.

Not more of them: where several processes accept from one listener, none takes all that arrive at
once while the others are still waking up.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any

import uvloop

#: An iteration accepts one more connection for so much of its duration, in seconds.
SECONDS_EACH = 0.001


class Loop(uvloop.Loop):
    """uvloop, with servers that accept several connections in an iteration."""

    async def create_server(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.Protocol],
        *,
        sock: socket.socket,
        **kwargs: Any,
    ) -> asyncio.AbstractServer:
        """Serve a bound listener, as uvicorn passes it."""
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
        #: Connections that are being accepted: the loop itself keeps no reference to its tasks.
        self._entering: set[asyncio.Task[Any]] = set()

    def accepted(self) -> asyncio.Protocol:
        """The protocol of a connection that the loop accepted. There may be more in the queue."""
        if not self._is_measuring:
            self._is_measuring = True
            # From the start of the next iteration to the start of the one after it.
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
            # The queue is empty, or no file descriptor is left; the loop handles that.
            return False
        entering = self._loop.connect_accepted_socket(self._new_protocol, connection)
        task = self._loop.create_task(entering)
        self._entering.add(task)
        task.add_done_callback(self._entering.discard)
        return True
