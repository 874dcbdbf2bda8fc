"""A client's time: to send a request, and to take what it is answered.

uvicorn waits for ever for the rest of a request and for a client that does not read, and
so lets whoever opens many connections keep them all. One timer watches each connection, and costs
a request nothing.
"""

import asyncio
import functools
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from hookstream_keys.settings import Settings


@functools.cache
def client_timeout() -> int:
    """How many seconds the environment gives a client."""
    return Settings.from_environment().client_timeout


class TimedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 over one connection, which ends when the client is too slow."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._timeout = client_timeout()
        #: Since when the client has the rest of a request to send, by the event loop's clock.
        self._request_started_at: float | None = None
        #: Since when it has not read what it was answered, which has filled every buffer.
        self._unread: float | None = None
        self._answering: RequestResponseCycle | None = None
        self._in_message = False
        self._leaving = False
        self._watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to watch."""
        super().connection_made(transport)
        self._request_started_at = self.loop.time()
        self._look_again(self._timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        """End watching, and let the request that is being answered know."""
        if self._watch is not None:
            self._watch.cancel()
        if self._answering is not None:
            # uvicorn tells the request that came last, which may still wait behind this one.
            self._answering.disconnected = True
            self._answering.message_event.set()
        super().connection_lost(exc)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def data_received(self, data: bytes) -> None:
        """Feed the parser. Also line ends before a request are the beginning of one."""
        if self._request_started_at is None:
            self._request_started_at = self.loop.time()
        super().data_received(data)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_message = True
        self._request_started_at = self.loop.time()

    def on_message_complete(self) -> None:
        """A request is whole."""
        super().on_message_complete()
        self._in_message = False
        self._request_started_at = None

    def on_response_complete(self) -> None:
        """Go on. What was sent meanwhile of the next request was not read: its time begins now."""
        super().on_response_complete()
        if self._request_started_at is not None:
            self._request_started_at = self.loop.time()

    def pause_writing(self) -> None:
        """The client does not read as fast as it is answered."""
        super().pause_writing()
        self._unread = self.loop.time()

    def resume_writing(self) -> None:
        """It has read."""
        super().resume_writing()
        self._unread = None

    def too_slow(self) -> None:
        """End a connection whose client did not send all of a request in time."""
        self.transport.close()

    def _look(self) -> None:
        if self.transport.is_closing():
            # It waits for the client to take what is left.
            if self._leaving:
                self.transport.abort()
            self._leaving = True
            self._look_again(self._timeout)
            return
        left = float(self._timeout)
        if self._unread is not None:
            left = min(left, self._left(self._unread))
            if left <= 0:
                self.transport.abort()
                return
        if self._request_started_at is not None and not self._is_our_turn():
            left = min(left, self._left(self._request_started_at))
            if left <= 0:
                self.too_slow()
                left = float(self._timeout)
        self._look_again(left)

    def _left(self, since: float) -> float:
        return since + self._timeout - self.loop.time()

    def _look_again(self, seconds: float) -> None:
        self._watch = self.loop.call_later(seconds, self._look)

    def _is_our_turn(self) -> bool:
        """Whether a request is whole that is not answered yet; nothing more is read meanwhile."""
        cycle = self._answering
        return cycle is not None and not cycle.response_complete and not cycle.more_body
