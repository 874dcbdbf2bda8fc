"""One request and its response on a connection, at less cost than uvicorn's.

uvicorn writes a response's head and body one after the other, searches every header field with two
regular expressions, and starts and stops a timer of the event loop for every request. Here the head
waits for the first piece of the body, the name of a field is checked once, and the timer that
`slow_clients` has for each connection closes it when it is idle.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any
from urllib.parse import unquote

from httptools import parse_url
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

#: How many names of header fields are remembered: more than responses have.
MAX_NAMES = 256

#: The beginning of a field's line in a head, by its name: those that are valid.
_beginnings: dict[bytes, bytes] = {}


class Exchange(RequestResponseCycle):
    """uvicorn's request and response; what is sent first waits for what is sent next."""

    def __init__(self, protocol: "ExchangeProtocol", scope: Any, *, keep_alive: bool) -> None:
        super().__init__(
            scope=scope,
            transport=protocol.transport,
            flow=protocol.flow,
            logger=protocol.logger,
            access_logger=protocol.access_logger,
            access_log=False,
            default_headers=protocol.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=protocol.expect_100_continue,
            keep_alive=keep_alive,
            on_response=protocol.on_response_complete,
        )
        #: What answers it, once that has begun.
        self.task: asyncio.Task[None] | None = None
        self._protocol = protocol
        #: The head of the response, until it is sent.
        self._head: list[bytes] = []

    async def run_asgi(self, app: ASGIApp) -> None:  # type: ignore[override] # it returns None
        """Let the application answer. Its cancellation is no failure when the client is gone."""

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                if (waiting := self._protocol.before_answer()) is not None:
                    await waiting
                await app(scope, receive, send)
            except asyncio.CancelledError:
                if not self.disconnected:
                    raise

        await super().run_asgi(answer)  # type: ignore[arg-type] # starlette's types are looser

    async def send(self, message: Message) -> None:  # type: ignore[override]
        """Send one ASGI message. Raises RuntimeError when it is not valid, or not the next one."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
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
        for name, value in (*self.default_headers, *headers):
            beginning = _beginnings.get(name) or _begin_line(name)
            if beginning == b"content-length: " and self.chunked_encoding is None:
                self.expected_content_length = int(value)
                self.chunked_encoding = False
            elif beginning == b"transfer-encoding: " and value.lower() == b"chunked":
                self.expected_content_length = 0
                self.chunked_encoding = True
            elif beginning == b"connection: " and _has_close(value):
                self.keep_alive, says_close = False, True
            head += (beginning, value, b"\r\n")
            values.append(value)
        if HEADER_VALUE_RE.search(b"".join(values)):
            raise RuntimeError("Invalid HTTP header value.")
        if not self.keep_alive and not says_close:
            head.append(b"connection: close\r\n")
        is_empty = self.scope["method"] == "HEAD" or status in (204, 304)
        if self.chunked_encoding is None and not is_empty:
            self.chunked_encoding = True
            head.append(b"transfer-encoding: chunked\r\n")
        head.append(b"\r\n")
        self._head = head

    def _continue(self, body: bytes, *, more: bool) -> None:
        """Write a piece of the body, the first one behind the head."""
        content, self._head = self._head, []
        if self.scope["method"] == "HEAD":
            self.expected_content_length = 0
        elif self.chunked_encoding:
            if body:
                content += (b"%x\r\n" % len(body), body, b"\r\n")
            if not more:
                content.append(b"0\r\n\r\n")
        else:
            if len(body) > self.expected_content_length:
                raise RuntimeError("Response content longer than Content-Length")
            self.expected_content_length -= len(body)
            content.append(body)
        if body:
            self._protocol.before_body(len(body))
        self.transport.write(b"".join(content))
        if more:
            return
        if self.expected_content_length:
            raise RuntimeError("Response content shorter than Content-Length")
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


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

    def on_headers_complete(self) -> None:
        """Begin the exchange, or let it wait for those before it."""
        version = self.parser.get_http_version()
        target = parse_url(self.url)
        path = target.path.decode("ascii")
        self.scope |= {
            "method": self.parser.get_method().decode("ascii"),
            "http_version": version,
            "path": self.root_path + (unquote(path) if "%" in path else path),
            "raw_path": self.root_path.encode("ascii") + target.path,
            "query_string": target.query or b"",
        }
        keep_alive = version != "1.0" and self.parser.should_keep_alive()
        latest, exchange = self.cycle, Exchange(self, self.scope, keep_alive=keep_alive)
        self.cycle = exchange
        if latest is None or latest.response_complete:
            self._start_asgi_task(exchange, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((exchange, self.app))

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        assert isinstance(cycle, Exchange)  # noqa: S101 - for mypy: there are no others here
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
