"""`hookstream-keys users`: a module for each of its commands."""

import click

from hookstream_keys.cli.users.create import create_command
from hookstream_keys.cli.users.end_sessions import end_sessions_command
from hookstream_keys.cli.users.listing import list_command
from hookstream_keys.cli.users.set_password import set_password_command


@click.group("users")
def users_group() -> None:
    """List and create users, and set their passwords, as the operator."""


for command in (list_command, create_command, set_password_command, end_sessions_command):
    users_group.add_command(command)
