"""`hookstream-keys keys`: a module for each of its commands."""

import click

from hookstream_keys.cli.keys.create import create_command
from hookstream_keys.cli.keys.listing import list_command
from hookstream_keys.cli.keys.revoke import revoke_command
from hookstream_keys.cli.keys.rotate import rotate_command
from hookstream_keys.cli.keys.show import show_command
from hookstream_keys.cli.keys.verify import verify_command


@click.group("keys")
def keys_group() -> None:
    """Create, list, show, rotate, revoke and verify keys, as the operator."""


for command in (
    create_command,
    list_command,
    show_command,
    verify_command,
    rotate_command,
    revoke_command,
):
    keys_group.add_command(command)
