"""Running the server: N processes on one port, started together, stopped gracefully."""

import os
import resource
import signal
import socket
from contextlib import suppress

import uvicorn
from uvicorn.supervisors import Multiprocess

from hookstream_keys import logs
from hookstream_keys.protocol import Protocol
from hookstream_keys.settings import Settings

#: How long a stopping server waits for requests in flight before it gives them up, in seconds.
GRACE_SECONDS = 30


class BindError(Exception):
    """The address cannot be listened on; the text says why."""


def bind(host: str, port: int) -> socket.socket:
    """Listen on `host` and `port`; port 0 takes a free one. Raises BindError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.set_inheritable(True)
    except OSError as error:
        listener.close()
        raise BindError(f"cannot listen on {host} port {port}: {error.strerror}") from error
    return listener


def _allow_many_connections() -> None:
    """Let this process have as many files as it may: each connection is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Where that cannot be done, there are fewer.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def run(settings: Settings, listener: socket.socket, workers: int) -> int:
    """Serve until SIGTERM or SIGINT, then answer what is in flight and return the exit status."""
    _allow_many_connections()
    # The workers are new processes: they read their settings from the environment.
    os.environ.update(settings.to_environment())
    config = uvicorn.Config(
        "hookstream_keys.app:from_environment",
        factory=True,
        workers=workers,
        http=Protocol,
        ws="none",
        # A server that cannot start must stop, not answer 500 to everything.
        lifespan="on",
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies or None,
        server_header=False,
        # The gate writes the line of a request; uvicorn's would have its whole URL in it.
        access_log=False,
        log_config=logs.config(settings.log_level),
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    if workers == 1:
        server = uvicorn.Server(config)
        # Its own handlers come later and are gone when it is done, when it raises the signal again:
        # one that comes early must not be lost, and stopping as asked is no failure.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, server.handle_exit)
        server.run(sockets=[listener])
        return 0 if server.started else 1
    Multiprocess(config, sockets=[listener]).run()
    return 0
