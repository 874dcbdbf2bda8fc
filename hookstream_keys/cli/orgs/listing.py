"""`hookstream-keys orgs list`."""

from typing import Any

import click

from hookstream_keys.cli.database import existing_store
from hookstream_keys.cli.operations import page_of
from hookstream_keys.cli.options import with_database, with_json, with_page
from hookstream_keys.cli.output import columns, show_page
from hookstream_keys.handlers import users


@click.command("list")
@with_page
@with_json
@with_database
def list_command(limit: str | None, cursor: str | None, as_json: bool, database: str) -> None:
    """Show all organizations, newest first, a line each: id, slug, name."""
    store = existing_store(database)
    page = store.run(users.list_organizations(store, **page_of(limit, cursor)))
    show_page("organizations", page, _lines, as_json=as_json)


def _lines(found: list[dict[str, Any]]) -> list[str]:
    return columns([[each["id"], each["slug"], each["name"]] for each in found])
