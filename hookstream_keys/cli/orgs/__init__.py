"""`hookstream-keys orgs`: a module for each of its commands."""

import click

from hookstream_keys.cli.orgs.add_member import add_member_command
from hookstream_keys.cli.orgs.listing import list_command


@click.group("orgs")
def orgs_group() -> None:
    """List organizations, and add members to them, as the operator."""


for command in (list_command, add_member_command):
    orgs_group.add_command(command)
