"""The server driven in this process, through ASGI: no network, and the log goes nowhere."""

import asyncio
import gc
import logging
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calls.entries import Entries, profiling
from starlette.types import ASGIApp, Message

from hookstream_keys.app import create_app
from hookstream_keys.runtime import fair_share, time_slices
from hookstream_keys.runtime.logs import LineFormatter, LineHandler
from hookstream_keys.settings import Settings

#: Requests before the first that counts: whatever is made once is made by then, and every thread
#: that the server will ever use is there.
WARM_UP = 30
COUNTED = 5
#: What a thread does after the answer is out belongs to the request, too; seconds to let it.
_SETTLING = 0.02


@dataclass(frozen=True)
class Request:
    """A request as an ASGI server hands it on, and the status that it must be answered with."""

    method: str
    path: str
    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes = b""

    def scope(self) -> dict[str, Any]:
        headers = [(b"host", b"127.0.0.1"), *self.headers]
        if self.body:
            headers.append((b"content-length", b"%d" % len(self.body)))
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": self.method,
            "scheme": "http",
            "path": self.path,
            "raw_path": self.path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 8080),
            "state": {},
        }


def count(settings: Settings, request: Request) -> dict[str, int]:
    """How often the server enters which function for the request, once it is warm.

    Of several the cheapest: what else the server does now and then comes on top. Raises
    AssertionError when the answer has another status.
    """
    entries = Entries()
    with _logging_as_served(), _one_period(), profiling(entries):
        found = asyncio.run(_drive(settings, request, entries))
    return min(found, key=lambda one: sum(one.values()))


async def _drive(settings: Settings, request: Request, entries: Entries) -> list[dict[str, int]]:
    app = create_app(settings)
    found = []
    async with _started(app):
        for _ in range(WARM_UP):
            await _send(app, request)
        # What it collects has functions of its own to call, at a moment of its own.
        gc.disable()
        for _ in range(COUNTED):
            await asyncio.sleep(_SETTLING)
            entries.clear()
            entries.counts = True
            await _send(app, request)
            await asyncio.sleep(_SETTLING)
            entries.counts = False
            found.append(entries.by_name())
        gc.enable()
    return found


async def _send(app: ASGIApp, request: Request) -> None:
    statuses = []

    async def receive() -> Message:
        return {"type": "http.request", "body": request.body, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    # As the HTTP protocol does.
    time_slices.SOCKETS.were_read = True
    await app(request.scope(), receive, send)
    assert statuses == [request.status]


@asynccontextmanager
async def _started(app: ASGIApp) -> AsyncIterator[None]:
    """Start the application, and stop it when the block ends."""
    to_app: asyncio.Queue[Message] = asyncio.Queue()
    from_app: asyncio.Queue[Message] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    running = asyncio.ensure_future(app(scope, to_app.get, from_app.put))
    await to_app.put({"type": "lifespan.startup"})
    assert (await from_app.get())["type"] == "lifespan.startup.complete"
    try:
        yield
    finally:
        await to_app.put({"type": "lifespan.shutdown"})
        await running


@contextmanager
def _one_period() -> Iterator[None]:
    """Let no period of the fair share end: how many do is a matter of time."""
    seconds = fair_share.ACTIVE_SECONDS
    fair_share.ACTIVE_SECONDS = 3600.0
    try:
        yield
    finally:
        fair_share.ACTIVE_SECONDS = seconds


@contextmanager
def _logging_as_served() -> Iterator[None]:
    """Log as `hookstream-keys serve` does. pytest's own handlers would count."""
    log = logging.getLogger("hookstream_keys")
    handlers, propagate, level = log.handlers, log.propagate, log.level
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        handler = LineHandler(nowhere)
        handler.setFormatter(LineFormatter())
        log.handlers, log.propagate = [handler], False
        log.setLevel(logging.INFO)
        try:
            yield
        finally:
            handler.close()
            log.handlers, log.propagate = handlers, propagate
            log.setLevel(level)
