"""Requests whose client is gone: those that still wait are cancelled, in a real connection."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from hookstream_keys.server.abandoned import AbandonedRequests

GET = b"GET / HTTP/1.1\r\nHost: t\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nhalf"
#: So that `close` resets the connection (socket(7)).
AT_ONCE = struct.pack("ii", 1, 0)


class Application:
    """Waits for a turn that never comes; tells whether the wait was cancelled."""

    def __init__(self) -> None:
        self.waits = asyncio.Event()
        self.ended = asyncio.Event()
        self.end = "none"

    async def __call__(self, _: Scope, receive: Receive, __: Send) -> None:
        try:
            while True:
                message = await receive()
                if not message.get("more_body"):
                    break
                self.waits.set()
            if message["type"] == "http.disconnect":
                self.end = "disconnected"
                return
            self.waits.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.end = "cancelled"
            raise
        finally:
            self.ended.set()


def serve(
    scenario: Callable[[Application, asyncio.StreamWriter, ServerState], Awaitable[None]],
) -> None:
    """Run a scenario with a connection to the application."""

    async def main() -> None:
        application, state = Application(), ServerState()
        config = uvicorn.Config(application, http=AbandonedRequests, log_config=None)
        config.load()
        server = await asyncio.get_running_loop().create_server(
            lambda: AbandonedRequests(config=config, server_state=state, app_state={}),
            "127.0.0.1",
            0,
        )
        async with server:
            _, client = await asyncio.open_connection(*server.sockets[0].getsockname())
            await asyncio.wait_for(scenario(application, client, state), 20)
            client.close()

    asyncio.run(main())


def reset(client: asyncio.StreamWriter) -> None:
    client.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    client.transport.abort()


def test_a_request_that_waits_is_cancelled_when_its_client_resets_the_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario(
        application: Application, client: asyncio.StreamWriter, state: ServerState
    ) -> None:
        client.write(GET)
        await application.waits.wait()
        (task,) = state.tasks
        reset(client)
        await task
        assert application.end == "cancelled"

    serve(scenario)
    # It is no failure of the application.
    assert [each for each in caplog.records if each.levelname == "ERROR"] == []


def test_a_request_whose_body_is_incomplete_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(
        application: Application, client: asyncio.StreamWriter, _: ServerState
    ) -> None:
        client.write(POST)
        await application.waits.wait()
        reset(client)
        await application.ended.wait()
        assert application.end == "disconnected"

    serve(scenario)


def test_the_server_that_closes_a_connection_cancels_nothing() -> None:
    async def scenario(
        application: Application, client: asyncio.StreamWriter, state: ServerState
    ) -> None:
        client.write(GET)
        await application.waits.wait()
        (task,), (connection,) = state.tasks, state.connections
        connection.transport.close()
        await asyncio.sleep(0.05)
        assert application.end == "none"
        task.cancel()

    serve(scenario)
