"""`hookstream-keys keys revoke`."""

import click

from hookstream_keys.cli.database import existing_store
from hookstream_keys.cli.operations import ask
from hookstream_keys.cli.options import with_database, with_json
from hookstream_keys.cli.output import note, show

#: What a person is shown of the key.
SHOWN = ("id", "name", "key_prefix", "state", "revoked_at", "revocation_reason")


@click.command("revoke")
@click.argument("key_id")
@click.option(
    "--reason",
    help="Why: keyCompromise, affiliationChanged, superseded, cessationOfOperation,"
    " privilegeWithdrawn or, without it, unspecified.",
)
@with_json
@with_database
def revoke_command(key_id: str, reason: str | None, as_json: bool, database: str) -> None:
    """Revoke a key, at once and for ever, and show it as it is then.

    Revoked before, it stays as it is.
    """
    store = existing_store(database)
    before = ask(store, "getApiKey", id=key_id)
    ask(store, "revokeApiKey", id=key_id, reason=reason)
    after = ask(store, "getApiKey", id=key_id)
    if before["api_key"]["revoked"] and not as_json:
        note("It was revoked before; nothing was changed.")
    show(after, as_json, {name: after["api_key"][name] for name in SHOWN})
