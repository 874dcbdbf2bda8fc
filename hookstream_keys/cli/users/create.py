"""`hookstream-keys users create`."""

from typing import Any

import click

from hookstream_keys.cli.database import existing_store
from hookstream_keys.cli.operations import operator_context
from hookstream_keys.cli.options import EMAIL, NAME, as_in, with_database, with_json
from hookstream_keys.cli.output import require_output, show, show_once
from hookstream_keys.cli.users.password import new_password, with_password
from hookstream_keys.domain import passwords
from hookstream_keys.handlers import users


@click.command("create")
@click.option(
    "--email",
    required=True,
    callback=as_in("signUpEmail", "email", EMAIL),
    help="The email address that they sign in with; it counts as verified.",
)
@click.option(
    "--name", required=True, callback=as_in("signUpEmail", "name", NAME), help="The user's name."
)
@with_password
@with_json
@with_database
def create_command(
    email: str, name: str, password_stdin: bool, as_json: bool, database: str
) -> None:
    """Create a user, also while sign-up is closed.

    They are in no organization. Make them a member with orgs add-member before they sign in:
    otherwise their first sign-in makes an organization of their own.
    """
    require_output()
    store = existing_store(database)
    password = new_password(from_input=password_stdin)
    password_hash = passwords.hashed(password)
    context = operator_context(store)

    async def create() -> dict[str, Any]:
        async with store.group_commit():
            user = await users.create_user(
                context, store, email=email, name=name, password_hash=password_hash
            )
            facts = {"user_id": user.id, "email": user.email, "name": user.name}
            if not password_stdin:
                # Before the user is stored: without the password they could not sign in.
                show_once(
                    {**facts, "password": password},
                    as_json,
                    undo=lambda: None,
                    undone="no user was created",
                )
        return facts

    facts = store.run(create())
    if password_stdin:
        show(facts, as_json)
