"""Running the server: N processes on one port, started together, stopped gracefully."""

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from hookstream_keys.runtime import logs
from hookstream_keys.server import signals, systemd
from hookstream_keys.server.connections import raise_file_limit
from hookstream_keys.server.listening import BACKLOG, Listener
from hookstream_keys.server.protocol import Protocol
from hookstream_keys.settings import Settings

log = logging.getLogger("hookstream_keys")

#: How long a stopping server waits for requests in flight, in seconds.
GRACE_SECONDS = 30
#: A worker that fails the health check for so long is replaced, in seconds. Many that start at once
#: on few cores take longer than uvicorn's own 5 to respond.
HUNG_SECONDS = 15
#: How long after `GRACE_SECONDS` workers that still run are killed, in seconds.
MARGIN_SECONDS = 5
#: How often starting workers are asked whether they are ready, in seconds.
POLL_SECONDS = 0.05


class SingleProcess(uvicorn.Server):
    """The server as the only process. Calls `ready` once it accepts connections."""

    def __init__(
        self, config: uvicorn.Config, listener: Listener, ready: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._listener, self._ready = listener, ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start as uvicorn does, and say so."""
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain the accept queue, then stop as uvicorn does."""
        tell_service_manager(systemd.STOPPING)
        for seconds in self._listener.stop():
            await asyncio.sleep(seconds)
        await super().shutdown(sockets)


class Supervisor(Multiprocess):
    """The process that starts the workers, and replaces those that die.

    Calls `ready` once every worker accepts connections.
    """

    def __init__(
        self, config: uvicorn.Config, listener: Listener, ready: Callable[[], None]
    ) -> None:
        # uvicorn handles every signal, also one that was ignored.
        hangup = signal.SIG_IGN if signals.is_hangup_ignored() else None
        super().__init__(config, [listener.socket])
        if hangup is not None:
            signal.signal(signal.SIGHUP, hangup)
        self._listener, self._ready = listener, ready

    def init_processes(self) -> None:
        """Start the workers, and wait for them; signals are handled meanwhile."""
        super().init_processes()
        while not all(each.is_ready(HUNG_SECONDS) for each in self.processes):
            self.handle_signals()
            self.keep_subprocess_alive()
            if self.should_exit.wait(POLL_SECONDS):
                return
        self._ready()

    def handle_hup(self) -> None:
        """Stop, as with one process."""
        self.handle_term()

    def handle_quit(self) -> None:
        """Stop, as with one process."""
        self.handle_term()

    def handle_ttin(self) -> None:
        """Do nothing: the number of workers is that of the command."""

    def handle_ttou(self) -> None:
        """Do nothing: the number of workers is that of the command."""

    def terminate_all(self) -> None:
        """Drain the accept queue, close the listener and send SIGTERM to the workers."""
        tell_service_manager(systemd.STOPPING)
        for seconds in self._listener.stop():
            time.sleep(seconds)
        # Otherwise this process would still listen after they have stopped.
        self._listener.close()
        super().terminate_all()

    def join_all(self) -> None:
        """Wait for the workers, and kill those that do not stop in time."""
        deadline = time.monotonic() + GRACE_SECONDS + MARGIN_SECONDS
        for each in self.processes:
            each.process.join(max(0.0, deadline - time.monotonic()))
            if each.process.is_alive():
                log.error("worker %d does not stop, and is killed", each.pid)
                each.process.kill()
        super().join_all()


def configuration(application: ASGIApp | str, settings: Settings, **more: Any) -> uvicorn.Config:
    """Uvicorn's configuration of every server here, with some options `more`."""
    return uvicorn.Config(
        application,
        loop="hookstream_keys.server.accepting:Loop",
        backlog=BACKLOG,
        ws="none",
        # A server that cannot start must stop, not answer 500 to everything.
        lifespan="on",
        # `hookstream_keys.http.forwarded` reads them: uvicorn does not read lists of schemes, nor
        # recognize an IPv4 proxy on an IPv6 socket.
        proxy_headers=False,
        server_header=False,
        # `EdgeMiddleware` writes the access log; uvicorn's would contain the whole URL.
        access_log=False,
        log_config=logs.config(settings.log_level),
        timeout_keep_alive=settings.keep_alive_timeout,
        **more,
    )


def tell_service_manager(state: str) -> None:
    """Tell systemd of a state; one that does not answer does not stop the server."""
    try:
        systemd.notify(state)
    except OSError as error:
        log.warning("the service manager cannot be told %s: %s", state, error)


def run(settings: Settings, listener: Listener, workers: int, ready: Callable[[], None]) -> int:
    """Serve until a signal, then stop gracefully and return the exit status.

    `ready` is called once connections are accepted; the signals are those of `signals`.
    """

    def tell_ready() -> None:
        ready()
        tell_service_manager(systemd.READY)

    raise_file_limit()
    # The workers are new processes: they read their settings from the environment.
    os.environ.update(settings.to_environment())
    config = configuration(
        "hookstream_keys.server.worker:application",
        settings,
        factory=True,
        workers=workers,
        http=Protocol,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_worker_healthcheck=HUNG_SECONDS,
    )
    if workers == 1:
        server = SingleProcess(config, listener, tell_ready)
        # uvicorn installs its handlers later, and raises the signal again when it is done: an
        # early signal must not be lost, and a stop by signal exits with 0.
        signals.handle(server.handle_exit)
        server.run(sockets=[listener.socket])
        return 0 if server.started else 1
    Supervisor(config, listener, tell_ready).run()
    return 0
