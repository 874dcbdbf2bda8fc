"""`hookstream-keys users end-sessions`."""

import click

from hookstream_keys.cli.database import existing_store
from hookstream_keys.cli.operations import operator_context
from hookstream_keys.cli.options import with_database, with_json
from hookstream_keys.cli.output import show
from hookstream_keys.handlers import users
from hookstream_keys.store import User


@click.command("end-sessions")
@click.argument("user", metavar="EMAIL|ID")
@with_json
@with_database
def end_sessions_command(user: str, as_json: bool, database: str) -> None:
    """End all sessions of a user: they have to sign in again. Their keys stay valid."""
    store = existing_store(database)
    context = operator_context(store)

    async def end() -> tuple[User, int]:
        async with store.group_commit():
            found = await users.find_user(context, user)
            return found, await users.end_sessions(context, store, found)

    found, ended = store.run(end())
    show({"user_id": found.id, "email": found.email, "ended_sessions": ended}, as_json)
