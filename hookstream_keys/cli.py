"""The command line, for the operator at the machine."""

import dataclasses
import json
import os
import re
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from hookstream_keys import __version__, bootstrap, ids, spec, timestamps, verification
from hookstream_keys.call import Call
from hookstream_keys.errors import ApiError
from hookstream_keys.handlers.api_keys import create_api_key
from hookstream_keys.principal import Operator
from hookstream_keys.schemas import check_body
from hookstream_keys.scopes import Scopes
from hookstream_keys.settings import (
    DEFAULT_DATABASE,
    Settings,
    SettingsError,
    signing_secret,
)
from hookstream_keys.store import Store, StoreError, database_path, open_store

Command = TypeVar("Command", bound=Callable[..., Any])


def with_database(command: Command) -> Command:
    """Give a command the option that every one of them has."""
    option = click.option(
        "--database",
        metavar="URL",
        envvar="HOOKSTREAM_DATABASE",
        default=DEFAULT_DATABASE,
        show_default=True,
        show_envvar=True,
        help="Where everything is kept: sqlite:///FILE.",
    )
    return option(command)


def with_json(command: Command) -> Command:
    """Give a command the option to answer a program instead of a person."""
    return click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")(command)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hookstream-keys")
def cli() -> None:
    """Self-hosted API keys: issue them, check them, kill them."""


@cli.command()
@click.option("--org", default="My organization", show_default=True, help="The organization.")
@click.option("--env", default="Production", show_default=True, help="The environment.")
@click.option(
    "--email",
    default="owner@hookstream.invalid",
    show_default=True,
    help="What the owner signs in with.",
)
@with_json
@with_database
def init(org: str, env: str, email: str, as_json: bool, database: str) -> None:
    """Create or upgrade the database; in an empty one, make an owner and a first key.

    The owner's password and the key are shown this once. Run again, it changes nothing.
    """
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s.]+", email):
        raise click.BadParameter("is no address such as you@example.com", param_hint="--email")
    settings = _settings(database)
    store = open_store(database)
    store.migrate()
    signing_secret(settings, database_path(database))
    first = bootstrap.create_first_tenant(
        store, org=org, env=env, email=email, now=timestamps.now()
    )
    if first is None:
        message = "The database has users already; nothing was changed."
        click.echo(json.dumps({"message": message}) if as_json else message)
        return
    facts = {
        "org_id": first.tenant.tenancy.organization.id,
        "env_id": first.tenant.tenancy.environment.id,
        "user_id": first.tenant.user.id,
        "email": first.tenant.user.email,
        "password": first.password,
        "key": first.key,
        "key_prefix": first.tenant.key.prefix,
    }
    if not as_json:
        click.echo("Created, and shown this once:")
    _show(facts, as_json)


@cli.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8080,
    show_default=True,
    help="The port to listen on; 0 takes a free one.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="How many processes share the port.",
)
@with_database
def serve_command(host: str, port: int, workers: int, database: str) -> None:
    """Run the server until SIGTERM or Ctrl-C; requests in flight are answered first."""
    # Here, so that the other commands start without the web server's libraries.
    from hookstream_keys import serve  # noqa: PLC0415

    settings = _settings(database)
    store = open_store(database)
    store.migrate()
    store.close()
    signing_secret(settings, database_path(database))
    try:
        listener = serve.bind(host, port)
    except serve.BindError as error:
        raise click.ClickException(str(error)) from error
    address, bound_port = listener.getsockname()[:2]
    shown = f"[{address}]" if ":" in address else address
    url = f"http://{shown}:{bound_port}{spec.base_path(spec.load())}"
    click.echo(f"API         {url}")
    click.echo(f"Swagger UI  {url}/ui/")
    sys.stdout.flush()
    sys.exit(serve.run(settings, listener, workers))


@cli.group("keys")
def keys_group() -> None:
    """What the API does with keys, for the operator."""


@keys_group.command("create")
@click.option("--name", required=True, help="Display name for the key.")
@click.option("--org", "org_id", required=True, metavar="ORG_ID", help="The organization's id.")
@click.option("--env", "env_id", required=True, metavar="ENV_ID", help="The environment's id.")
@click.option("--scopes", default="*", show_default=True, help="What the key may do.")
@with_json
@with_database
def keys_create(
    name: str, org_id: str, env_id: str, scopes: str, as_json: bool, database: str
) -> None:
    """Issue a key and show it, this once."""
    body = {"name": name, "org_id": org_id, "env_id": env_id, "scopes": scopes}
    schema = spec.request_schema(spec.load(), "createApiKey")
    call = _operator_call(_existing_store(database))
    answer = create_api_key(call, check_body(schema, body))
    _show(answer[0], as_json)


@keys_group.command("verify")
@click.option("--ip", metavar="ADDRESS", help="The address that the key is used from.")
@click.option("--scopes", help="What the key must be good for.")
@with_json
@with_database
def keys_verify(ip: str | None, scopes: str | None, as_json: bool, database: str) -> None:
    """Say whether a key is good; exit with 1 when it is not.

    The key is read from standard input, or asked for: on the command line every
    user of the machine could see it.
    """
    if sys.stdin.isatty():
        secret = click.prompt("Key", hide_input=True)
    else:
        secret = sys.stdin.readline(1000)
    use = verification.Use(
        now=timestamps.to_text(timestamps.now()),
        ip=ip,
        scopes=Scopes.parse(scopes).names if scopes else (),
    )
    found = verification.verify(_existing_store(database), secret.strip(), use)
    facts: dict[str, Any] = {"valid": found.code == "VALID", "code": found.code}
    if found.key is not None:
        facts |= {
            "id": found.key.id,
            "name": found.key.name,
            "org_id": found.key.org_id,
            "env_id": found.key.env_id,
            "key_prefix": found.key.prefix,
            "scopes": found.key.scopes,
            "created_at": found.key.created_at,
        }
    _show(facts, as_json)
    sys.exit(0 if found.code == "VALID" else 1)


@cli.group("audit")
def audit_group() -> None:
    """The audit log, for the operator."""


@audit_group.command("verify")
@click.option(
    "--since-head",
    "kept",
    metavar="HASH",
    help="A head that an earlier run printed: the log must still contain it.",
)
@with_json
@with_database
def audit_verify(kept: str | None, as_json: bool, database: str) -> None:
    """Say whether the audit log is as it was written; exit with 1 when it is not.

    It may run beside the server. Keep the head that it prints somewhere else: given back
    with --since-head, it proves that nothing before it was changed, whoever changed the
    database.
    """
    if kept is not None and not re.fullmatch(r"[0-9a-f]{64}", kept):
        raise click.BadParameter("is no head: 64 hexadecimal digits", param_hint="--since-head")
    found = _existing_store(database).check_audit_log(kept)
    facts: dict[str, Any] = {"ok": found.fault is None, "rows": found.rows, "head": found.head}
    line = f"ok, {found.rows} rows, head {found.head}"
    if found.fault is not None:
        facts |= dataclasses.asdict(found.fault)
        row = f"seq {found.fault.seq}"
        if found.fault.id is not None:
            # Who changed it may have put anything there.
            row += f", id {found.fault.id!a}"
        line = f"{found.fault.problem}, {row}: {found.fault.message}"
    click.echo(json.dumps(facts) if as_json else line)
    sys.exit(0 if found.fault is None else 1)


def main() -> None:
    """Run the command. What an operator can mend is one line on standard error, and status 1."""
    try:
        _refuse_what_is_no_text(sys.argv[1:])
        cli()
    except (SettingsError, StoreError) as error:
        _fail(str(error))
    except ApiError as error:
        _fail("; ".join([error.message, *(f"{d.location}: {d.message}" for d in error.details)]))


def _refuse_what_is_no_text(arguments: list[str]) -> None:
    # Python hands on bytes that are no UTF-8 as lone surrogates, which nothing can store.
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            _fail(f"the argument {argument!r} is not UTF-8")


def _fail(message: str) -> None:
    click.echo(f"hookstream-keys: {message}", err=True)
    sys.exit(1)


def _settings(database: str) -> Settings:
    return dataclasses.replace(Settings.from_environment(os.environ), database=database)


def _existing_store(database: str) -> Store:
    store = open_store(database)
    store.check()
    return store


def _operator_call(store: Store) -> Call:
    return Call(store, Operator(), ids.new("req"), None, timestamps.now())


def _show(facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(facts))
        return
    width = max(len(name) for name in facts)
    for name, value in facts.items():
        click.echo(f"{name:{width}}  {value}")
