"""One request and its response on a connection, at less cost than uvicorn's.

uvicorn writes a response's head and body one after the other, searches every header field with two
regular expressions, makes an event for every request, and starts and stops a timer of the event
loop. Here the head waits for the first piece of the body, the name of a field is checked once, an
event is made when a request waits for its body, and the timer that `slow_clients` has for each
connection closes it when it is idle.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable
from typing import Any
from urllib.parse import unquote

from httptools import parse_url
from starlette.types import ASGIApp, Message
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    HttpToolsProtocol,
)

#: How many names of header fields are remembered: more than responses have.
MAX_NAMES = 256

#: The beginning of a field's line in a head, by its name: those that are valid.
_beginnings: dict[bytes, bytes] = {}


class Exchange:
    """A request and its response, in place of uvicorn's `RequestResponseCycle`."""

    __slots__ = (
        "_expected_length", "_has_news", "_head", "_is_chunked", "_news", "_protocol", "body",
        "disconnected", "keep_alive", "more_body", "response_complete", "response_started", "scope",
        "task", "waiting_for_100_continue",
    )  # fmt: skip

    def __init__(self, protocol: "ExchangeProtocol", scope: Any, *, keep_alive: bool) -> None:
        self.scope = scope
        self.keep_alive = keep_alive
        self.waiting_for_100_continue = protocol.expect_100_continue
        #: What answers it, once that has begun.
        self.task: asyncio.Task[None] | None = None
        #: What has arrived of the request's body, and was not received yet; whether more may.
        self.body = b""
        self.more_body = True
        self.disconnected = False
        self.response_started = self.response_complete = False
        self._protocol = protocol
        #: Whether anything happened since the application received last, and what tells it.
        self._has_news = False
        self._news: asyncio.Event | None = None
        #: The head of the response, until it is sent; how the body is framed, and what is left.
        self._head: list[bytes] = []
        self._is_chunked: bool | None = None
        self._expected_length = 0

    @property
    def message_event(self) -> "Exchange":
        """What uvicorn's protocol calls `set` of when the connection is lost."""
        return self

    def set(self) -> None:
        """Tell the application that waits to receive: data, the end of it, or of the response."""
        self._has_news = True
        if self._news is not None:
            self._news.set()

    async def run_asgi(self, app: ASGIApp) -> None:
        """Let the application answer. Its cancellation is no failure when the client is gone."""
        try:
            if (waiting := self._protocol.before_answer()) is not None:
                await waiting
            await app(self.scope, self.receive, self.send)
        except BaseException as error:  # noqa: BLE001 - whatever ended it, the client is answered
            if not (self.disconnected and isinstance(error, asyncio.CancelledError)):
                await self._fail("Exception in ASGI application\n", error)
        else:
            if not self.response_complete and not self.disconnected:
                what = "completing" if self.response_started else "starting"
                await self._fail(f"ASGI callable returned without {what} response.")

    async def _fail(self, message: str, error: BaseException | None = None) -> None:
        """Log a failure of the application, and answer 500, or end what has begun."""
        self._protocol.logger.error(message, exc_info=error)
        if self.response_started:
            self._protocol.transport.close()
            return
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"21"),
            (b"connection", b"close"),
        ]
        await self.send({"type": "http.response.start", "status": 500, "headers": headers})
        await self.send({"type": "http.response.body", "body": b"Internal Server Error"})

    async def receive(self) -> Message:
        """The next ASGI message: what has arrived of the body, or that the client is gone."""
        transport = self._protocol.transport
        if self.waiting_for_100_continue and not transport.is_closing():
            transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.waiting_for_100_continue = False
        if not self.disconnected and not self.response_complete:
            self._protocol.flow.resume_reading()
            if not self._has_news:
                self._news = self._news or asyncio.Event()
                await self._news.wait()
            if self._news is not None:
                self._news.clear()
            self._has_news = False
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        body, self.body = self.body, b""
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    async def send(self, message: Message) -> None:
        """Send one ASGI message. Raises RuntimeError when it is not valid, or not the next one."""
        if self._protocol.flow.write_paused and not self.disconnected:
            await self._protocol.flow.drain()
        if self.disconnected:
            return
        kind = message["type"]
        if not self.response_started:
            if kind != "http.response.start":
                raise RuntimeError(f"'{kind}' was sent before 'http.response.start'")
            self._begin(message["status"], message.get("headers", []))
        elif self.response_complete or kind != "http.response.body":
            raise RuntimeError(f"'{kind}' was sent after the response, or in its body")
        else:
            self._continue(message.get("body", b""), more=message.get("more_body", False))

    def _begin(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Make the head."""
        self.response_started = True
        self.waiting_for_100_continue = False
        head, values = [STATUS_LINE[status]], []
        says_close = False
        for name, value in (*self._protocol.server_state.default_headers, *headers):
            beginning = _beginnings.get(name) or _begin_line(name)
            if beginning == b"content-length: " and self._is_chunked is None:
                self._expected_length = int(value)
                self._is_chunked = False
            elif beginning == b"transfer-encoding: " and value.lower() == b"chunked":
                self._expected_length = 0
                self._is_chunked = True
            elif beginning == b"connection: " and _has_close(value):
                self.keep_alive, says_close = False, True
            head += (beginning, value, b"\r\n")
            values.append(value)
        if HEADER_VALUE_RE.search(b"".join(values)):
            raise RuntimeError("Invalid HTTP header value.")
        if not self.keep_alive and not says_close:
            head.append(b"connection: close\r\n")
        is_empty = self.scope["method"] == "HEAD" or status in (204, 304)
        if self._is_chunked is None and not is_empty:
            self._is_chunked = True
            head.append(b"transfer-encoding: chunked\r\n")
        head.append(b"\r\n")
        self._head = head

    def _continue(self, body: bytes, *, more: bool) -> None:
        """Write a piece of the body, the first one behind the head."""
        content, self._head = self._head, []
        if self.scope["method"] == "HEAD":
            self._expected_length = 0
        elif self._is_chunked:
            if body:
                content += (b"%x\r\n" % len(body), body, b"\r\n")
            if not more:
                content.append(b"0\r\n\r\n")
        else:
            if len(body) > self._expected_length:
                raise RuntimeError("Response content longer than Content-Length")
            self._expected_length -= len(body)
            content.append(body)
        if body:
            self._protocol.before_body(len(body))
        self._protocol.transport.write(b"".join(content))
        if more:
            return
        if self._expected_length:
            raise RuntimeError("Response content shorter than Content-Length")
        self.response_complete = True
        self.set()
        if not self.keep_alive:
            self._protocol.transport.close()
        self._protocol.on_response_complete()


def _has_close(value: bytes) -> bool:
    """Whether `close` is one of the options of a `Connection` field."""
    return b"close" in map(bytes.strip, value.lower().split(b","))


def _begin_line(name: bytes) -> bytes:
    """The beginning of the line of a field. Raises RuntimeError for what is no name."""
    if HEADER_RE.search(name):
        raise RuntimeError("Invalid HTTP header name.")
    beginning = name.lower() + b": "
    if len(_beginnings) < MAX_NAMES:
        _beginnings[name] = beginning
    return beginning


class ExchangeProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 connection, with these exchanges in place of its own."""

    cycle: Exchange  # type: ignore[assignment] # uvicorn's own, which it replaces
    pipeline: deque[tuple[Exchange, Any]]  # type: ignore[assignment] # likewise

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: The latest exchange that has begun. Others may wait for it.
        self._answering: Exchange | None = None
        #: When the latest response was complete, by the event loop's clock.
        self._answered_at = 0.0

    def before_answer(self) -> Awaitable[None] | None:
        """What is to be awaited before the application is asked, if anything."""
        return None

    def before_body(self, size: int) -> None:
        """A piece of a body with so many bytes is written next."""

    def on_message_begin(self) -> None:
        """Begin a request, whose scope is made when its header is complete."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        """Begin the exchange, or let it wait for those before it."""
        parser, root = self.parser, self.root_path
        version = parser.get_http_version()
        target = parse_url(self.url)
        raw_path = target.path
        path = raw_path.decode("ascii")
        scope = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": version,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "method": parser.get_method().decode("ascii"),
            "root_path": root,
            "path": root + (unquote(path) if "%" in path else path),
            "raw_path": root.encode("ascii") + raw_path,
            "query_string": target.query or b"",
            "headers": self.headers,
            "state": self.app_state.copy(),
        }
        keep_alive = version != "1.0" and parser.should_keep_alive()
        latest, exchange = self.cycle, Exchange(self, scope, keep_alive=keep_alive)
        self.cycle = exchange
        if latest is None or latest.response_complete:
            self._start_asgi_task(exchange, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((exchange, self.app))

    def on_body(self, body: bytes) -> None:
        """Add a piece of the body, and read no more while there is enough."""
        exchange = self.cycle
        if exchange.response_complete:
            return
        exchange.body += body
        if len(exchange.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        exchange.set()

    def on_message_complete(self) -> None:
        """The request is complete."""
        exchange = self.cycle
        if not exchange.response_complete:
            exchange.more_body = False
            exchange.set()

    def _start_asgi_task(self, cycle: Exchange, app: Any) -> None:  # type: ignore[override]
        self._answering = cycle
        cycle.task = task = self.loop.create_task(cycle.run_asgi(app))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def on_response_complete(self) -> None:
        """Begin the next exchange, if one waits. No timer is started: `slow_clients` has one."""
        self.server_state.total_requests += 1
        self._answered_at = self.loop.time()
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
