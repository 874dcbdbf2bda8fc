"""`hookstream-keys keys list`."""

import click

from hookstream_keys.cli.database import existing_store
from hookstream_keys.cli.keys import text
from hookstream_keys.cli.operations import page_of_organization
from hookstream_keys.cli.options import with_database, with_json
from hookstream_keys.cli.output import show_page


@click.command("list")
@click.option("--org", "org_id", required=True, metavar="ORG_ID", help="The organization's id.")
@click.option("--env", "env_id", metavar="ENV_ID", help="Only keys of this environment.")
@click.option("--state", help="Only keys in this state: active, disabled, expired or revoked.")
@click.option("--name", help="Only keys of exactly this name.")
@click.option("--created-by", metavar="ID", help="Only keys that this user or key created.")
@click.option(
    "--rotated-by",
    metavar="ID",
    help="Only keys of which this user or key, or a descendant, has a valid secret by rotation.",
)
@click.option("--limit", metavar="N", help="Maximum number of keys to show.")
@click.option("--cursor", help="Continue from this cursor.")
@with_json
@with_database
def list_command(as_json: bool, database: str, **wanted: str | None) -> None:
    """Show the keys of an organization, newest first, a line each."""
    # The other options have the names of the API's parameters.
    store = existing_store(database)
    page = page_of_organization(store, "listApiKeys", "api_keys", **wanted)
    show_page("api_keys", page, text.lines, as_json=as_json)
