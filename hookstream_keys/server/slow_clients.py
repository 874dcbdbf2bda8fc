"""Slowloris timeouts: for sending a request, and for reading its response; and that of idle ones.

uvicorn waits without a limit for the rest of a request and for a client that does not read, so a
slow client could occupy all connections; and it starts a timer whenever a connection is idle. Here
one timer watches each connection, at no cost per request.
"""

import asyncio
import functools
from typing import Any

from hookstream_keys.server.exchange import ExchangeProtocol
from hookstream_keys.settings import Settings


@functools.cache
def client_timeout() -> int:
    """The client's timeout in seconds, from the environment."""
    return Settings.from_environment().client_timeout


class TimedProtocol(ExchangeProtocol):
    """uvicorn's HTTP/1.1 connection, closed when the client is too slow."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._timeout = client_timeout()
        #: Since when a request is incomplete, by the event loop's clock.
        self._request_started_at: float | None = None
        #: Since when the client has not read its response, which has filled every buffer.
        self._unread: float | None = None
        self._in_message = False
        self._leaving = False
        self._made_at = 0.0
        self._watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer."""
        super().connection_made(transport)
        self._made_at = self._request_started_at = self.loop.time()
        self._schedule_check(min(self._timeout, self.timeout_keep_alive))

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer, and notify the request that is being answered."""
        if self._watch is not None:
            self._watch.cancel()
        if self._answering is not None:
            # uvicorn notifies the latest request, which may still wait behind this one.
            self._answering.disconnected = True
            self._answering.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser. Line ends before a request count as its beginning."""
        if self._request_started_at is None:
            self._request_started_at = self.loop.time()
        super().data_received(data)

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._in_message = True
        self._request_started_at = self.loop.time()

    def on_message_complete(self) -> None:
        """End a request."""
        super().on_message_complete()
        self._in_message = False
        self._request_started_at = None

    def on_response_complete(self) -> None:
        """Go on. The next request was not read meanwhile: its timeout begins now."""
        super().on_response_complete()
        if self._request_started_at is not None:
            self._request_started_at = self.loop.time()

    def pause_writing(self) -> None:
        """The client reads more slowly than the response is written."""
        super().pause_writing()
        self._unread = self.loop.time()

    def resume_writing(self) -> None:
        """The client has read."""
        super().resume_writing()
        self._unread = None

    def idle_since(self) -> float | None:
        """Since when no request is in flight, by the loop's clock; None while one is."""
        if self.cycle is None:
            return self._made_at
        if not self.cycle.response_complete or self._request_started_at is not None:
            return None
        return self._answered_at

    def too_slow(self) -> None:
        """Close a connection whose client did not complete a request in time."""
        self.transport.close()

    def _check(self) -> None:
        if self.transport.is_closing():
            # `close` would wait for the client to read the rest.
            if self._leaving:
                self.transport.abort()
            self._leaving = True
            self._schedule_check(self._timeout)
            return
        left = float(min(self._timeout, self.timeout_keep_alive))
        since = self.idle_since()
        if since is not None and self.cycle is not None:
            left = min(left, since + self.timeout_keep_alive - self.loop.time())
            if left <= 0:
                self.transport.close()
                left = float(self._timeout)
        if self._unread is not None:
            left = min(left, self._left(self._unread))
            if left <= 0:
                self.transport.abort()
                return
        if self._request_started_at is not None and not self._is_answering():
            left = min(left, self._left(self._request_started_at))
            if left <= 0:
                self.too_slow()
                left = float(self._timeout)
        self._schedule_check(left)

    def _left(self, since: float) -> float:
        return since + self._timeout - self.loop.time()

    def _schedule_check(self, seconds: float) -> None:
        self._watch = self.loop.call_later(seconds, self._check)

    def _is_answering(self) -> bool:
        """Whether a complete request is not answered yet; nothing more is read meanwhile."""
        cycle = self._answering
        return cycle is not None and not cycle.response_complete and not cycle.more_body
