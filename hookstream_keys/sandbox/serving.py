"""Runs a sandbox: one process, on a loopback address."""

import signal
import socket
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from hookstream_keys.sandbox.answers import TRANSPORT
from hookstream_keys.sandbox.browsers import is_loopback
from hookstream_keys.server import logs
from hookstream_keys.server.connections import raise_file_limit
from hookstream_keys.server.processes import BACKLOG, SingleProcess
from hookstream_keys.server.protocol import Protocol
from hookstream_keys.settings import SettingsError


class SandboxProtocol(Protocol):
    """A connection that the application can close without an answer."""

    def on_message_begin(self) -> None:
        """Begin a request, which knows its connection."""
        super().on_message_begin()
        self.scope[TRANSPORT] = self.transport  # type: ignore[literal-required]


class _Server(SingleProcess):
    """Tells when it accepts connections, and when it stops."""

    def __init__(
        self, config: uvicorn.Config, ready: Callable[[], None], stopping: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._ready, self._stopping = ready, stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop at once: a test that is over does not wait for its sandbox."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        self._stopping()
        await uvicorn.Server.shutdown(self, sockets)


def run(
    application: ASGIApp,
    listener: socket.socket,
    log_level: str,
    *,
    ready: Callable[[], None],
    stopping: Callable[[], None],
) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit status.

    `ready` is called when connections are accepted, `stopping` when they are closed.
    """
    raise_file_limit()
    config = uvicorn.Config(
        application,
        http=SandboxProtocol,
        loop="hookstream_keys.server.accepting:Loop",
        backlog=BACKLOG,
        ws="none",
        lifespan="on",
        proxy_headers=False,
        server_header=False,
        # Answers have the sandbox's own time.
        date_header=False,
        access_log=False,
        log_config=logs.config(log_level),
    )
    server = _Server(config, ready, stopping)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)
    server.run(sockets=[listener])
    return 0 if server.started else 1


def require_loopback(host: str) -> None:
    """Refuse an address that other machines can reach. Raises SettingsError."""
    if not is_loopback(host):
        raise SettingsError(
            "a sandbox listens on a loopback address only, since its keys can be predicted: "
            "127.0.0.1, ::1 or localhost"
        )
