"""`hookstream-keys keys`: a module for each of its commands."""

import click

from hookstream_keys.cli.keys.create import create_command
from hookstream_keys.cli.keys.verify import verify_command


@click.group("keys")
def keys_group() -> None:
    """What the API does with keys, for the operator."""


for command in (create_command, verify_command):
    keys_group.add_command(command)
