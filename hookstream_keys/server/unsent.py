"""A bound on the responses that clients do not read.

uvicorn writes a response whole, and then takes the connection's next request. What the client does
not read stays in the worker's memory, so one client could fill it, with many connections or many
requests on one. Here a connection's next request waits until its response is nearly sent, and when
unsent responses take too much memory, the connection with the most unsent bytes is closed. A client
that reads has fewer than one that does not.
"""

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any

from hookstream_keys.server.exchange import Exchange, ExchangeProtocol

log = logging.getLogger("hookstream_keys")

#: The maximum of the responses that a worker has not sent, in bytes, without those of connections
#: that have less than `HIGH_WATER` left.
MAX_UNSENT = 24 * 1024 * 1024
#: How many unsent bytes a connection may have when its next request begins; besides, the kernel
#: has some. 10,000 connections (`connections.MAX_CONNECTIONS`) have 80 MB at most.
HIGH_WATER = 8 * 1024

#: The bytes of responses in one iteration of the event loop, after which others wait for the next:
#: what is sent, or aborted, is freed between iterations.
MAX_BURST = 2 * 1024 * 1024

#: The connections of this worker that had more than `HIGH_WATER` when a response ended.
#: Those that have been there the longest are first.
_unread: "dict[UnsentLimit, None]" = {}


class _Burst:
    """The responses of this iteration of the event loop."""

    def __init__(self) -> None:
        self.size = 0

    def add(self, size: int) -> None:
        """Count a response. The first of an iteration has the count begin anew in the next."""
        if self.size == 0:
            asyncio.get_running_loop().call_soon(self._end)
        self.size += size

    async def wait(self) -> None:
        """Wait for an iteration in which there is room."""
        while self.size > MAX_BURST:
            await asyncio.sleep(0)

    def _end(self) -> None:
        self.size = 0


_burst = _Burst()


class UnsentLimit(ExchangeProtocol):
    """uvicorn's HTTP/1.1 connection, with a bound on what its worker has not sent."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: A request that waits until the response before it is sent.
        self._delayed: tuple[Exchange, Any] | None = None
        #: The bytes of the latest response. All stay in memory until the last of them is sent.
        self._size = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=HIGH_WATER)

    def connection_lost(self, exc: Exception | None) -> None:
        """End; what was not sent is gone."""
        _unread.pop(self, None)
        self._delayed = None
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client reads more slowly than the response is written."""
        super().pause_writing()
        self._note_unread()

    def resume_writing(self) -> None:
        """The client has read nearly all."""
        super().resume_writing()
        _unread.pop(self, None)
        self._start_delayed()

    def on_response_complete(self) -> None:
        """Go on, and count what is not sent yet."""
        if self._is_unread():
            self._note_unread()
        super().on_response_complete()

    def before_answer(self) -> Awaitable[None] | None:
        """Wait for an iteration of the event loop in which there is room."""
        return _burst.wait() if _burst.size > MAX_BURST else None

    def before_body(self, size: int) -> None:
        """Count a piece of a response."""
        self._size = size
        _burst.add(size)

    def _start_asgi_task(self, cycle: Exchange, app: Any) -> None:  # type: ignore[override]
        if self._is_unread():
            self._delayed = cycle, app
            # Most often the kernel takes everything once the event loop writes.
            self.loop.call_soon(self._start_delayed)
        else:
            super()._start_asgi_task(cycle, app)

    def _start_delayed(self) -> None:
        if self._delayed is not None and not self.flow.write_paused:
            cycle, app = self._delayed
            self._delayed = None
            super()._start_asgi_task(cycle, app)

    def _unsent(self) -> int:
        return self.transport.get_write_buffer_size()

    def _is_unread(self) -> bool:
        return self._unsent() > HIGH_WATER

    def _note_unread(self) -> None:
        _unread.setdefault(self)
        # The kernel took the rest of these at once.
        for each in [each for each in _unread if each._unsent() == 0]:
            del _unread[each]
        total = sum(each._size for each in _unread)
        while total > MAX_UNSENT:
            slowest = max(_unread, key=lambda each: each._unsent())
            log.info(
                "a connection is closed: its client has not read a response of %d bytes, and the"
                " unread responses have %d bytes",
                slowest._size,
                total,
            )
            total -= slowest._size
            del _unread[slowest]
            slowest.transport.abort()
