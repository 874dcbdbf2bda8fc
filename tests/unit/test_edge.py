"""The edge: its bound on the requests that are in a worker at once, and refusals that wait."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.types import ASGIApp, Message
from support import SECRET, Database

from hookstream_keys import app as app_module
from hookstream_keys.app import create_app
from hookstream_keys.http import edge
from hookstream_keys.runtime.fair_share import FairShare
from hookstream_keys.runtime.share_limits import MAX_WAIT
from hookstream_keys.settings import Settings

VERIFY = "/v1/auth/api-keys/verify"


@dataclass
class Exchange:
    """A request whose body comes when it is let, and what it was answered."""

    method: str
    path: str
    body: asyncio.Event = field(default_factory=asyncio.Event)
    #: Whether the client then closes the connection.
    leaves: bool = False
    #: Header fields besides those of every request.
    headers: tuple[tuple[bytes, bytes], ...] = ()
    #: How often a part of the body was asked for: the first sends `100 Continue`, if it is due.
    received: int = 0
    sent: list[Message] = field(default_factory=list)

    async def run(self, app: ASGIApp, address: str = "127.0.0.1") -> int:
        headers = [(b"host", b"t"), *self.headers]
        if self.method == "POST":
            headers += [(b"content-type", b"application/json"), (b"content-length", b"2")]
        scope: dict[str, Any] = {
            "type": "http",
            "method": self.method,
            "scheme": "http",
            "path": self.path,
            "query_string": b"",
            "headers": headers,
            "client": (address, 50_000),
        }

        async def receive() -> Message:
            self.received += 1
            await self.body.wait()
            if self.leaves:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": b"{}", "more_body": False}

        async def send(message: Message) -> None:
            self.sent.append(message)

        await app(scope, receive, send)
        status: int = self.sent[0]["status"]
        return status


def test_concurrent_requests_beyond_the_limit_are_rejected_before_their_body(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge, "MAX_REQUESTS", 2)
    app = create_app(Settings(database=f"sqlite:///{database.path}", auth_secret=SECRET))

    async def drive() -> None:
        slow = [Exchange("POST", VERIFY) for _ in range(2)]
        running = [asyncio.ensure_future(each.run(app)) for each in slow]
        await asyncio.sleep(0)
        refused = Exchange("POST", VERIFY)
        assert await refused.run(app) == 503
        assert (b"retry-after", b"1") in refused.sent[0]["headers"]
        assert json.loads(refused.sent[1]["body"])["code"] == "unavailable"
        # Health checks and documentation are answered even under load.
        assert await Exchange("GET", "/v1/health").run(app) == 200
        for each in slow:
            each.body.set()
        assert await asyncio.gather(*running) == [401, 401]
        last = Exchange("POST", VERIFY)
        last.body.set()
        assert await last.run(app) == 401

    asyncio.run(drive())


def test_a_refusal_waits_for_the_share_of_its_address_while_its_client_is_there(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge, "MAX_REQUESTS", 1)
    share = FairShare()
    monkeypatch.setattr(app_module, "FairShare", lambda: share)
    app = create_app(Settings(database=f"sqlite:///{database.path}", auth_secret=SECRET))

    async def nothing() -> None:
        pass

    async def drive() -> None:
        refused = [Exchange("GET", "/v1/nope"), Exchange("GET", "/v1/auth/authorize")]
        for each in refused:
            each.body.set()
            assert await each.run(app) in (404, 401)
        # While a tenant is active, and the address far ahead of its share.
        await share.run("org", nothing)
        share.clients.charge("address 127.0.0.1", 60.0)
        # A probe at the same address, as behind NAT, does not wait.
        probe = Exchange("GET", "/v1/health").run(app)
        assert await asyncio.wait_for(probe, MAX_WAIT / 2) == 200
        leaves = asyncio.Event()
        waiting = [
            asyncio.ensure_future(Exchange(each.method, each.path, leaves, leaves=True).run(app))
            for each in refused
        ]
        await asyncio.sleep(0.05)
        assert not any(each.done() for each in waiting)
        # They are not among the requests of which there may be one at once.
        other = Exchange("POST", VERIFY)
        other.body.set()
        assert await other.run(app, "192.0.2.1") == 401
        leaves.set()
        assert await asyncio.wait_for(asyncio.gather(*waiting), MAX_WAIT / 2) == [
            404,
            401,
        ]

    asyncio.run(drive())


def test_a_refusal_that_waits_does_not_ask_for_the_body(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    share = FairShare()
    monkeypatch.setattr(app_module, "FairShare", lambda: share)
    app = create_app(Settings(database=f"sqlite:///{database.path}", auth_secret=SECRET))

    async def nothing() -> None:
        pass

    async def drive() -> None:
        await share.run("org", nothing)
        share.clients.charge("address 127.0.0.1", 0.05)
        refused = Exchange("GET", "/v1/nope", headers=((b"expect", b"100-continue"),))
        waiting = asyncio.ensure_future(refused.run(app))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        assert await asyncio.wait_for(waiting, MAX_WAIT) == 404
        assert refused.received == 0

    asyncio.run(drive())
