"""`hookstream-keys orgs add-member`."""

import dataclasses

import click

from hookstream_keys.cli.database import existing_store, settings_for
from hookstream_keys.cli.operations import answer_in, operator_context
from hookstream_keys.cli.options import with_database, with_json
from hookstream_keys.cli.output import show
from hookstream_keys.domain.errors import UserNotFound
from hookstream_keys.handlers.context import Dependencies


@click.command("add-member")
@click.argument("org_id")
@click.option("--email", required=True, help="The email address of a user who exists.")
@click.option(
    "--role",
    default="member",
    show_default=True,
    help="The role in the organization: owner, admin or member.",
)
@with_json
@with_database
def add_member_command(org_id: str, email: str, role: str, as_json: bool, database: str) -> None:
    """Make a user a member of an organization.

    As over the API, their email address must be verified, or HOOKSTREAM_ADD_UNVERIFIED_MEMBERS
    be on.
    """
    store = existing_store(database)
    settings = settings_for(database)
    dependencies = Dependencies(adds_unverified_members=settings.add_unverified_members)
    context = dataclasses.replace(operator_context(store), dependencies=dependencies)
    body = {"email": email, "role": role}
    try:
        added, *_ = answer_in(context, store, "addMember", body, id=org_id)
    except UserNotFound as error:
        raise click.ClickException(
            f"{error.message} hookstream-keys users create makes a user."
        ) from None
    show(added, as_json, added["member"])
