"""Runs a sandbox: one process, on a loopback address."""

import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from hookstream_keys.sandbox.answers import TRANSPORT
from hookstream_keys.sandbox.browsers import is_loopback
from hookstream_keys.server import signals
from hookstream_keys.server.connections import raise_file_limit
from hookstream_keys.server.exchange import Exchange
from hookstream_keys.server.listening import Listener
from hookstream_keys.server.processes import SingleProcess, configuration
from hookstream_keys.server.protocol import Protocol
from hookstream_keys.settings import Settings, SettingsError


class SandboxProtocol(Protocol):
    """A connection that the application can close without an answer."""

    def _start_asgi_task(self, cycle: Exchange, app: Any) -> None:  # type: ignore[override]
        """Let the application answer a request, which knows its connection."""
        cycle.scope[TRANSPORT] = self.transport
        super()._start_asgi_task(cycle, app)


class _Server(SingleProcess):
    """Tells when it accepts connections, and when it stops."""

    def __init__(
        self,
        config: uvicorn.Config,
        listener: socket.socket,
        ready: Callable[[], None],
        stopping: Callable[[], None],
    ) -> None:
        super().__init__(config, Listener(listener), self._tell)
        self._tell_ready, self._stopping = ready, stopping
        #: Why `ready` failed.
        self.failure: OSError | None = None

    def _tell(self) -> None:
        try:
            self._tell_ready()
        except OSError as error:
            # Raised here, it would end the event loop before the worlds stop.
            self.failure, self.should_exit = error, True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop at once: a test that is over does not wait for its sandbox."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        self._stopping()
        await uvicorn.Server.shutdown(self, sockets)


def run(
    application: ASGIApp,
    listener: socket.socket,
    settings: Settings,
    *,
    ready: Callable[[], None],
    stopping: Callable[[], None],
) -> int:
    """Serve until a signal; returns the exit status.

    `ready` is called when connections are accepted, `stopping` when they are closed. An OSError of
    `ready`, which has to show the keys, stops the sandbox and is raised.
    """
    raise_file_limit()
    # Answers have the sandbox's own time, not uvicorn's.
    config = configuration(application, settings, http=SandboxProtocol, date_header=False)
    server = _Server(config, listener, ready, stopping)
    signals.handle(server.handle_exit)
    server.run(sockets=[listener])
    if server.failure is not None:
        raise server.failure
    return 0 if server.started else 1


def require_loopback(host: str) -> None:
    """Refuse an address that other machines can reach. Raises SettingsError."""
    if not is_loopback(host):
        raise SettingsError(
            "a sandbox listens on a loopback address only, since its keys can be predicted: "
            "127.0.0.1, ::1 or localhost"
        )
