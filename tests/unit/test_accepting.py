import asyncio
import socket
import time
from collections.abc import Callable, Coroutine
from contextlib import closing
from typing import Any, TypeVar

import pytest

from hookstream_keys.server import accepting, listening

CONNECTIONS = 200

Result = TypeVar("Result")


class Greeter(asyncio.Protocol):
    """Says hello, so that the client knows that it was accepted."""

    def connection_made(self, transport: asyncio.WriteTransport) -> None:  # type: ignore[override]
        transport.write(b"hello")


def run(
    serve: Callable[[socket.socket], Coroutine[Any, Any, Result]],
) -> tuple[Result, list[dict[str, Any]]]:
    """Run `serve` with a listener on the server's loop: what it gives, and what failed besides."""
    failures: list[dict[str, Any]] = []
    with (
        closing(listening.bind("127.0.0.1", 0)) as listener,
        asyncio.Runner(loop_factory=accepting.Loop) as runner,
    ):
        runner.get_loop().set_exception_handler(lambda _, context: failures.append(context))
        return runner.run(serve(listener)), failures


def turns_until_all_are_in(seconds_a_turn: float) -> int:
    """How many turns a loop takes to let many in that have all come at once."""

    async def serve(listener: socket.socket) -> int:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Greeter, sock=listener, backlog=CONNECTIONS)
        turns = 0

        def turn() -> None:
            nonlocal turns
            turns += 1
            time.sleep(seconds_a_turn)
            loop.call_soon(turn)

        clients = [socket.create_connection(listener.getsockname()) for _ in range(CONNECTIONS)]
        loop.call_soon(turn)
        greetings = (loop.sock_recv(unblocked(client), 5) for client in clients)
        assert set(await asyncio.gather(*greetings)) == {b"hello"}
        for client in clients:
            client.close()
        server.close()
        return turns

    turns, failures = run(serve)
    assert failures == []
    return turns


def unblocked(client: socket.socket) -> socket.socket:
    client.settimeout(0)
    return client


def test_after_a_long_event_loop_turn_waiting_connections_are_accepted() -> None:
    assert turns_until_all_are_in(20 * accepting.SECONDS_EACH) < CONNECTIONS / 4


def test_after_a_short_event_loop_turn_one_connection_is_accepted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # However long a turn takes here, it is none of a loop that has much to do.
    monkeypatch.setattr(accepting, "SECONDS_EACH", 3600)
    assert turns_until_all_are_in(0) >= CONNECTIONS


def test_a_client_that_disconnected_in_the_queue_does_no_harm() -> None:
    async def serve(listener: socket.socket) -> bytes:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Greeter, sock=listener, backlog=CONNECTIONS)
        for _ in range(20):
            with socket.create_connection(listener.getsockname()) as client:
                # Not an end, but a reset.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        with socket.create_connection(listener.getsockname()) as last:
            for _ in range(3):
                loop.call_soon(time.sleep, 20 * accepting.SECONDS_EACH)
                await asyncio.sleep(0)
            greeting = await loop.sock_recv(unblocked(last), 5)
        server.close()
        return greeting

    greeting, failures = run(serve)
    assert greeting == b"hello"
    assert failures == []
