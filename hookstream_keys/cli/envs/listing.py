"""`hookstream-keys envs list`."""

from typing import Any

import click

from hookstream_keys.cli.database import existing_store
from hookstream_keys.cli.operations import ask
from hookstream_keys.cli.options import with_database, with_json
from hookstream_keys.cli.output import columns, show_page


@click.command("list")
@click.option("--org", "org_id", required=True, metavar="ORG_ID", help="The organization's id.")
@click.option("--limit", metavar="N", help="Maximum number of environments to show.")
@click.option("--cursor", help="Continue from this cursor.")
@with_json
@with_database
def list_command(as_json: bool, database: str, **wanted: str | None) -> None:
    """Show the environments of an organization, newest first, a line each."""
    store = existing_store(database)
    page = ask(store, "listEnvironments", **wanted)
    if not page["environments"]:
        # The operator sees every organization, so a nonexistent one has an empty list.
        ask(store, "getOrganization", id=wanted["org_id"])
    show_page("environments", page, _lines, as_json=as_json)


def _lines(found: list[dict[str, Any]]) -> list[str]:
    return columns([[each["id"], each["mode"], each["slug"], each["name"]] for each in found])
