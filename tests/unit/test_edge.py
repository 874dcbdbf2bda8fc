"""The gate's bound on the requests that are in a worker at once."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.types import ASGIApp, Message
from support import SECRET, Database

from hookstream_keys.app import create_app
from hookstream_keys.http import edge
from hookstream_keys.settings import Settings

VERIFY = "/v1/auth/api-keys/verify"


@dataclass
class Exchange:
    """A request whose body comes when it is let, and what it was answered."""

    method: str
    path: str
    body: asyncio.Event = field(default_factory=asyncio.Event)
    sent: list[Message] = field(default_factory=list)

    async def run(self, app: ASGIApp) -> int:
        headers = [(b"host", b"t")]
        if self.method == "POST":
            headers += [(b"content-type", b"application/json"), (b"content-length", b"2")]
        scope: dict[str, Any] = {
            "type": "http",
            "method": self.method,
            "scheme": "http",
            "path": self.path,
            "query_string": b"",
            "headers": headers,
            "client": ("127.0.0.1", 50_000),
        }

        async def receive() -> Message:
            await self.body.wait()
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
