"""The bound on the responses of one iteration of the event loop, on connections in memory."""

import asyncio

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from support.transports import Transport
from uvicorn.server import ServerState

from hookstream_keys.server import unsent
from hookstream_keys.server.unsent import UnsentLimit

GET = b"GET / HTTP/1.1\r\nHost: t\r\n\r\n"
BODY = b"12345678"


def test_what_does_not_fit_into_an_iteration_waits_for_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(unsent, "MAX_BURST", len(BODY))
    iteration, begun = 0, []

    async def app(_: Scope, __: Receive, send: Send) -> None:
        begun.append(iteration)
        fields = [(b"content-length", b"%d" % len(BODY))]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": BODY})

    async def main() -> None:
        nonlocal iteration
        config = uvicorn.Config(app, http=UnsentLimit, ws="none", log_config=None)
        config.load()
        state = ServerState()
        # All of them are read before any is answered.
        for _ in range(5):
            connection = UnsentLimit(config=config, server_state=state, app_state={})
            connection.connection_made(Transport())
            connection.data_received(GET)
        while len(begun) < 5:
            await asyncio.sleep(0)
            iteration += 1

    asyncio.run(main())
    # One more begins than fit: how large a response is, is known at its end.
    assert max(begun.count(each) for each in begun) == 2
