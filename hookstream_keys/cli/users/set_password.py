"""`hookstream-keys users set-password`."""

from typing import Any

import click

from hookstream_keys.cli.database import existing_store
from hookstream_keys.cli.operations import operator_context
from hookstream_keys.cli.options import with_database, with_json
from hookstream_keys.cli.output import require_output, show, show_once
from hookstream_keys.cli.users.password import new_password, with_password
from hookstream_keys.domain import passwords
from hookstream_keys.handlers import users


@click.command("set-password")
@click.argument("user", metavar="EMAIL|ID")
@with_password
@with_json
@with_database
def set_password_command(user: str, password_stdin: bool, as_json: bool, database: str) -> None:
    """Give a user another password, and end all their sessions."""
    require_output()
    store = existing_store(database)
    context = operator_context(store)
    # First: a mistyped address is known before a password is typed.
    store.run(users.find_user(context, user))
    password = new_password(from_input=password_stdin)
    password_hash = passwords.hashed(password)

    async def change() -> dict[str, Any]:
        async with store.group_commit():
            found = await users.find_user(context, user)
            ended = await users.set_password(context, store, found, password_hash)
            facts = {"user_id": found.id, "email": found.email, "ended_sessions": ended}
            if not password_stdin:
                # Before it is stored: otherwise the user could not sign in any more.
                show_once(
                    {**facts, "password": password},
                    as_json,
                    undo=lambda: None,
                    undone="the password was not changed",
                )
        return facts

    facts = store.run(change())
    if password_stdin:
        show(facts, as_json)
