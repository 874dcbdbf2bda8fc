"""`hookstream-keys keys rotate`."""

from typing import Any

import click

from hookstream_keys.cli.database import existing_store
from hookstream_keys.cli.operations import ask
from hookstream_keys.cli.options import with_database, with_json
from hookstream_keys.cli.output import require_output, show_once
from hookstream_keys.contract.parameters import read_integer


@click.command("rotate")
@click.argument("key_id")
@click.option(
    "--grace-period",
    "grace_period_seconds",
    metavar="SECONDS",
    required=True,
    help="Grace period: how long the old secret is accepted after the first use of the new one.",
)
@click.option(
    "--expires-at",
    metavar="TIME",
    help="Expiry of the new secret, in RFC 3339: 2030-01-01T00:00:00Z. Default: the key's own.",
)
@click.option("--never-expires", is_flag=True, help="The new secret never expires.")
@with_json
@with_database
def rotate_command(
    key_id: str,
    grace_period_seconds: str,
    expires_at: str | None,
    never_expires: bool,
    as_json: bool,
    database: str,
) -> None:
    """Issue a new secret for a key and show it once.

    It is pending until its first use; from then on the old secret is accepted for the grace
    period. By default it expires when the key does.
    """
    if expires_at is not None and never_expires:
        raise click.UsageError("give either --expires-at or --never-expires")
    body: dict[str, Any] = {"grace_period_seconds": read_integer(grace_period_seconds)}
    if expires_at is not None or never_expires:
        body["expires_at"] = expires_at
    require_output()
    store = existing_store(database)
    rotated = ask(store, "rotateApiKey", body, id=key_id)
    of = {"id": key_id, "rotation_id": rotated["rotation"]["id"]}
    show_once(
        rotated,
        as_json,
        _facts(key_id, **rotated),
        undo=lambda: ask(store, "cancelRotation", **of),
        undone=f"rotation {of['rotation_id']} of key {key_id} is cancelled",
        by_hand=f"rotate key {key_id} again, which replaces the pending secret",
    )


def _facts(key_id: str, rotation: dict[str, Any], key: str) -> dict[str, Any]:
    return {
        "id": key_id,
        "key": key,
        "rotation": rotation["id"],
        "key_prefix": rotation["key_prefix"],
        "state": rotation["state"],
        "grace_period_seconds": rotation["grace_period_seconds"],
        "expires_at": rotation["expires_at"] or "never",
        "created_at": rotation["created_at"],
    }
