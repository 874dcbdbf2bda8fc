"""`hookstream-keys users list`."""

from typing import Any

import click

from hookstream_keys.cli.database import existing_store
from hookstream_keys.cli.operations import operator_context, page_of
from hookstream_keys.cli.options import with_database, with_json, with_page
from hookstream_keys.cli.output import columns, show_page
from hookstream_keys.handlers import users


@click.command("list")
@with_page
@with_json
@with_database
def list_command(limit: str | None, cursor: str | None, as_json: bool, database: str) -> None:
    """Show all users, newest first, a line each: id, email, name, role in each organization."""
    store = existing_store(database)
    page = store.run(users.list_users(operator_context(store), store, **page_of(limit, cursor)))
    show_page("users", page, _lines, as_json=as_json)


def _lines(found: list[dict[str, Any]]) -> list[str]:
    return columns([[each["id"], each["email"], each["name"], _roles(each)] for each in found])


def _roles(user: dict[str, Any]) -> str:
    roles = [f"{role} of {org_id}" for org_id, role in user["organizations"].items()]
    return ", ".join(roles) or "in no organization"
