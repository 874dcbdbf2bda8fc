"""`hookstream-keys envs list`."""

from typing import Any

import click

from hookstream_keys.cli.database import existing_store
from hookstream_keys.cli.operations import page_of_organization
from hookstream_keys.cli.options import with_database, with_json, with_page
from hookstream_keys.cli.output import columns, show_page


@click.command("list")
@click.option("--org", "org_id", required=True, metavar="ORG_ID", help="The organization's id.")
@with_page
@with_json
@with_database
def list_command(as_json: bool, database: str, **wanted: str | None) -> None:
    """Show the environments of an organization, newest first, a line each."""
    store = existing_store(database)
    page = page_of_organization(store, "listEnvironments", "environments", **wanted)
    show_page("environments", page, _lines, as_json=as_json)


def _lines(found: list[dict[str, Any]]) -> list[str]:
    return columns([[each["id"], each["mode"], each["slug"], each["name"]] for each in found])
