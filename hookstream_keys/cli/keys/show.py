"""`hookstream-keys keys show`."""

import click

from hookstream_keys.cli.database import existing_store
from hookstream_keys.cli.keys import text
from hookstream_keys.cli.operations import ask
from hookstream_keys.cli.options import with_database, with_json
from hookstream_keys.cli.output import show


@click.command("show")
@click.argument("key_id")
@with_json
@with_database
def show_command(key_id: str, as_json: bool, database: str) -> None:
    """Show a key, its rules and usage. Its secret cannot be shown again."""
    found = ask(existing_store(database), "getApiKey", id=key_id)
    show(found, as_json, text.facts(found["api_key"]))
