"""`hookstream-keys keys create`."""

from typing import Any

import click

from hookstream_keys.cli.database import existing_store
from hookstream_keys.cli.operations import ask
from hookstream_keys.cli.options import with_database, with_json
from hookstream_keys.cli.output import require_output, show_once
from hookstream_keys.contract.parameters import read_integer


def _metadata(
    _: click.Context, __: click.Parameter, pairs: tuple[str, ...]
) -> dict[str, str] | None:
    metadata: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise click.BadParameter("is not NAME=VALUE")
        if name in metadata:
            raise click.BadParameter("names the same twice")
        metadata[name] = value
    return metadata or None


def _rate_limit(_: click.Context, __: click.Parameter, text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    # What is not a number stays text, which the schema rejects.
    requests, _slash, seconds = text.partition("/")
    return {
        "requests": read_integer(requests),
        "window_seconds": read_integer(seconds),
    }


@click.command("create")
@click.option("--name", required=True, help="Display name for the key.")
@click.option("--org", "org_id", required=True, metavar="ORG_ID", help="The organization's id.")
@click.option("--env", "env_id", required=True, metavar="ENV_ID", help="The environment's id.")
@click.option("--scopes", default="*", show_default=True, help="What the key may do.")
@click.option(
    "--role",
    help="Its scope ceiling in this API: owner, admin or member. Default: the ceiling of keys.",
)
@click.option(
    "--expires-at",
    metavar="TIME",
    help="Expiry, in RFC 3339: 2030-01-01T00:00:00Z. Default: never expires.",
)
@click.option(
    "--allowed-ip",
    "allowed_ips",
    metavar="NETWORK",
    multiple=True,
    help="An IP address or network that it may be used from. May be repeated. Default: anywhere.",
)
@click.option(
    "--metadata",
    metavar="NAME=VALUE",
    multiple=True,
    callback=_metadata,
    help="Metadata. May be repeated.",
)
@click.option("--external-id", metavar="ID", help="Its identifier in a system of yours.")
@click.option(
    "--rate-limit",
    metavar="REQUESTS/SECONDS",
    callback=_rate_limit,
    help="Rate limit, requests/seconds: 100/60. Default: unlimited.",
)
@with_json
@with_database
def create_command(as_json: bool, database: str, **fields: Any) -> None:
    """Issue a key and show it once."""
    # The other options have the names of the API's fields.
    body = {name: value for name, value in fields.items() if value not in (None, ())}
    require_output()
    store = existing_store(database)
    created = ask(store, "createApiKey", body)
    key_id = created["id"]
    show_once(
        created,
        as_json,
        undo=lambda: ask(store, "revokeApiKey", id=key_id),
        undone=f"key {key_id} is revoked",
        by_hand=f"run hookstream-keys keys revoke {key_id}",
    )
