"""`hookstream-keys serve`."""

import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click
from click.core import ParameterSource

from hookstream_keys.cli.database import require_database, settings_for
from hookstream_keys.cli.options import Number, with_database
from hookstream_keys.cli.output import OutputError, discard_output, note, require_output
from hookstream_keys.contract import spec
from hookstream_keys.domain.setting_kinds import PORT, WORKERS
from hookstream_keys.domain.signing import Signer
from hookstream_keys.runtime.counters import open_counters
from hookstream_keys.runtime.joining import join_others
from hookstream_keys.runtime.new_secret import secrets_at_start
from hookstream_keys.server import listening, systemd
from hookstream_keys.settings import Settings
from hookstream_keys.store import database_file, open_store, require_private

_DEFAULTS = Settings()


@click.command("serve")
@click.option(
    "--host",
    default=_DEFAULTS.host,
    envvar="HOOKSTREAM_HOST",
    show_default=True,
    show_envvar=True,
    help="The address to listen on.",
)
@click.option(
    "--port",
    type=Number(0, 65535, PORT),
    default=int(_DEFAULTS.port),
    envvar=["HOOKSTREAM_PORT", "PORT"],
    show_default=True,
    show_envvar=True,
    help="The port to listen on; 0 chooses a free one.",
)
@click.option(
    "--unix",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Listen on this Unix socket, not on a port. Its owner and group may connect.",
)
@click.option(
    "--workers",
    type=Number(1, 256, WORKERS),
    default=int(_DEFAULTS.workers),
    envvar=["HOOKSTREAM_WORKERS"],
    show_default=True,
    show_envvar=True,
    help="The number of worker processes.",
)
@click.option(
    "--init",
    "creates",
    is_flag=True,
    help="Create the database if it does not exist. It is empty: hookstream-keys init, also while"
    " the server runs, makes an owner and a first key.",
)
@with_database
@click.pass_context
def serve_command(
    context: click.Context,
    /,
    host: str,
    port: int,
    unix: Path | None,
    workers: int,
    *,
    creates: bool,
    database: str,
) -> None:
    """Run the server until SIGTERM or Ctrl-C; requests in flight are answered first.

    The database must exist, and is upgraded. A Unix socket, or a socket that systemd passes, takes
    the place of host and port.
    """
    # Imported here, so that the other commands start without the web server's libraries.
    from hookstream_keys.server import processes  # noqa: PLC0415

    settings = settings_for(database)
    given = [
        f"--{name}"
        for name in ("host", "port", "unix")
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
    # First: where the address cannot be used, no database is made.
    try:
        listener = _listener(host, port, unix, given)
    except (listening.BindError, systemd.ActivationError) as error:
        raise click.ClickException(str(error)) from error
    with listener:
        if not creates:
            require_database(
                database,
                "hookstream-keys init makes a new one, serve --init an empty one, and "
                "hookstream-keys restore one of a backup",
            )
        _prepare(settings, database)
        url = f"{listener.origin}{spec.base_path(spec.load())}"
        status = processes.run(settings, listener, workers, partial(_show, url))
    sys.exit(status)


def _listener(host: str, port: int, unix: Path | None, given: Sequence[str]) -> listening.Listener:
    """What the server listens on. Raises BindError, ActivationError and UsageError.

    `given` are the options of the command line that name it. The environment's host and port give
    way to a socket, since hosting platforms set `PORT`.
    """
    if unix is not None and len(given) > 1:
        raise click.UsageError(
            f"{' and '.join(given)} are given, but a Unix socket has no host and no port: leave "
            "--unix out, or give it alone"
        )
    passed = systemd.passed_socket()
    if passed is not None and given:
        passed.close()
        raise click.UsageError(
            f"systemd passed a socket to listen on, so leave {' and '.join(given)} out, or start "
            "the server without a socket unit"
        )
    if passed is not None:
        return listening.Listener(passed, is_inherited=True)
    if unix is not None:
        return listening.bind_unix(unix)
    return listening.Listener(listening.bind(host, port))


def _show(url: str) -> None:
    """Say where the server is. One that serves is not stopped by its output."""
    try:
        require_output()
        click.echo(f"API         {url}\nSwagger UI  {url}/ui/")
    except (OutputError, OSError):
        discard_output()
        note(f"WARNING: standard output is closed or cannot be written; the API is {url}")


def _prepare(settings: Settings, database: str) -> None:
    """Upgrade the database, and make the files beside it, before several workers open them."""
    require_private(database)
    store = open_store(database)
    store.migrate()
    file = database_file(database)
    secrets, warning = secrets_at_start(settings, file, store)
    # Here as well: of a worker that cannot start, another one would be tried again and again.
    join_others(store, settings, Signer(*secrets))
    store.run(store.leave())
    open_counters(store, file, time.monotonic_ns).close()
    store.close()
    if warning is not None:
        note(f"WARNING: {warning}")
