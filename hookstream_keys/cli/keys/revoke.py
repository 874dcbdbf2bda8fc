"""`hookstream-keys keys revoke`."""

import click

from hookstream_keys.cli.database import existing_store
from hookstream_keys.cli.operations import answer, ask
from hookstream_keys.cli.options import with_database, with_json
from hookstream_keys.cli.output import note, show

#: The fields that are shown as text.
SHOWN = ("id", "name", "key_prefix", "state", "revoked_at", "revocation_reason")


@click.command("revoke")
@click.argument("key_id")
@click.option(
    "--reason",
    help="The reason: keyCompromise, affiliationChanged, superseded, cessationOfOperation,"
    " privilegeWithdrawn or unspecified. Default: unspecified.",
)
@click.option(
    "--descendants",
    is_flag=True,
    help="Also revoke all descendants, the keys that it and they created.",
)
@with_json
@with_database
def revoke_command(
    key_id: str, reason: str | None, descendants: bool, as_json: bool, database: str
) -> None:
    """Revoke a key permanently, and show it.

    Revoking twice has no effect.
    """
    store = existing_store(database)
    before = ask(store, "getApiKey", id=key_id)
    wanted = "true" if descendants else None
    _, _, *headers = answer(store, "revokeApiKey", id=key_id, reason=reason, descendants=wanted)
    after = ask(store, "getApiKey", id=key_id)
    if before["api_key"]["revoked"] and not as_json:
        note("It was revoked before; nothing was changed.")
    facts = {name: after["api_key"][name] for name in SHOWN}
    if descendants:
        counts = {
            "revoked_keys": int(headers[0]["X-Revoked-Keys"]),
            "rotated_keys": int(headers[0]["X-Rotated-Keys"]),
        }
        after, facts = {**after, **counts}, {**facts, **counts}
        if counts["rotated_keys"] and not as_json:
            note(f"Other keys have secrets that it was given: keys list --rotated-by {key_id}")
    show(after, as_json, facts)
