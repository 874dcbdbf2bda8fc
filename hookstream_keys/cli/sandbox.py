"""`hookstream-keys sandbox`."""

import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from hookstream_keys.cli.options import Number, with_json
from hookstream_keys.cli.output import require_output, show, show_json
from hookstream_keys.contract.schemas import check_value
from hookstream_keys.domain.setting_kinds import PORT
from hookstream_keys.server import listening
from hookstream_keys.settings import Settings, SettingsError

#: The sandbox's own defaults of settings; the environment's values come first.
DEFAULTS = {
    "HOOKSTREAM_SIGN_UP": "open",
    "HOOKSTREAM_ADD_UNVERIFIED_MEMBERS": "on",
    # While the clock is frozen, no bucket empties.
    "HOOKSTREAM_RATE_LIMIT": "1000000",
    # The session of the facts must not end because a test has made many.
    "HOOKSTREAM_MAX_SESSIONS_PER_USER": "off",
    "HOOKSTREAM_LOG_LEVEL": "warning",
}
#: The settings that only a real server has.
REFUSED = ("HOOKSTREAM_DATABASE", "BETTER_AUTH_SECRET", "BETTER_AUTH_SECRETS")

#: The facts that are printed without `--json`, beside the keys.
FOR_A_PERSON = (
    "base_url",
    "control_url",
    "now",
    "org_id",
    "env_id",
    "key",
    "email",
    "password",
    "session_token",
)

START = "2026-01-01T00:00:00Z"


@click.command("sandbox")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="The loopback address to listen on.",
)
@click.option(
    "--port",
    type=Number(0, 65535, PORT),
    default=0,
    show_default=True,
    help="The port to listen on; 0 chooses a free one.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=1,
    show_default=True,
    help="Identifiers and secrets follow from it.",
)
@click.option(
    "--clock",
    metavar="TIME",
    default=START,
    show_default=True,
    help="The clock's time at the start, in RFC 3339, or now. It is frozen.",
)
@click.option("--run-clock", is_flag=True, help="Let the clock run from the start.")
@click.option(
    "--directory",
    type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path),
    help="Where its temporary directory is made. Default: in memory, where the system has that.",
)
@click.option(
    "--stop-with",
    metavar="PID",
    type=click.IntRange(min=1),
    help="Stop when the process with this id has ended, such as the one that runs the tests.",
)
@with_json
def sandbox_command(
    host: str,
    port: int,
    seed: int,
    clock: str,
    *,
    run_clock: bool,
    directory: Path | None,
    stop_with: int | None,
    as_json: bool,
) -> None:
    """Run the API on temporary data, for tests of clients, until SIGTERM or Ctrl-C.

    Once it accepts connections it prints what tests need to begin with: with --json all of it, as
    one line. Everything is gone when it stops.
    """
    # Imported here, so that the other commands start without the web server's libraries.
    from hookstream_keys.sandbox import parent, serving  # noqa: PLC0415
    from hookstream_keys.sandbox.application import SandboxApplication  # noqa: PLC0415
    from hookstream_keys.sandbox.directory import temporary_directory  # noqa: PLC0415
    from hookstream_keys.sandbox.tenants import Tenants  # noqa: PLC0415
    from hookstream_keys.sandbox.world import World  # noqa: PLC0415

    require_output()
    settings = _settings(os.environ)
    begin = _time(clock)
    serving.require_loopback(host)
    if stop_with is not None and not parent.exists(stop_with):
        raise click.BadParameter("is the id of no process", param_hint="'--stop-with'")
    try:
        listener = listening.bind(host, port)
    except listening.BindError as error:
        raise click.ClickException(str(error)) from error
    address, bound_port = listener.getsockname()[:2]
    shown = f"[{address}]" if ":" in address else address

    with temporary_directory(directory) as own_directory:

        def make(name: str, start: datetime | None) -> World:
            return World(
                name,
                settings,
                own_directory,
                origin=f"http://{shown}:{bound_port}",
                number=seed,
                start=start or begin,
                mode="running" if run_clock else "frozen",
            )

        tenants = Tenants(make)
        application = SandboxApplication(tenants, settings.max_body_bytes)
        if stop_with is not None:
            parent.stop_with(stop_with)
        ready = partial(_show, tenants.own.facts, as_json=as_json)
        status = serving.run(
            application,
            listener,
            settings,
            ready=ready,
            stopping=tenants.interrupt,
        )
    sys.exit(status)


def _settings(environment: Mapping[str, str]) -> Settings:
    """The settings of every world. Raises SettingsError."""
    for variable in REFUSED:
        if environment.get(variable):
            raise SettingsError(
                f"{variable} is set: a sandbox makes a database and a signing secret of its own, "
                f"which are worthless elsewhere; start it without {variable}"
            )
    return Settings.from_environment({**DEFAULTS, **environment})


def _time(text: str) -> datetime:
    # Imported here, as above.
    from hookstream_keys.sandbox.control import given_time  # noqa: PLC0415
    from hookstream_keys.sandbox.document import document  # noqa: PLC0415

    if text == "now":
        return datetime.now(UTC)
    schema = document()["components"]["schemas"]["GivenTime"]
    if check_value(schema, text, "clock"):
        raise click.BadParameter(f"is not now, or {schema['x-expected']}", param_hint="'--clock'")
    return given_time(text)


def _show(facts: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        show_json(facts)
    else:
        _show_to_a_person(facts)
    sys.stdout.flush()


def _show_to_a_person(facts: Mapping[str, Any]) -> None:
    """Print the facts that exploring begins with, by their names, and how to go on."""
    base, control = facts["base_url"], facts["control_url"]
    pages = {"swagger_ui": f"{base}/ui/", "reference": f"{base}/reference"}
    own = {name: facts[name] for name in FOR_A_PERSON}
    keys = {}
    for state, values in facts["keys"].items():
        keys[f"  {state}"] = values["key"]
        if "new_key" in values:
            keys[f"  {state}.new_key"] = values["new_key"]
    show({**pages, **own}, as_json=False)
    click.echo("\nKeys by state:")
    show(keys, as_json=False)
    click.echo(f"\nMore is at {control}/facts; {control}/openapi.json describes the control API.")
    click.echo("Ctrl-C stops the sandbox and deletes its data.")
