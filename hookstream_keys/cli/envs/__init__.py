"""`hookstream-keys envs`: a module for each of its commands."""

import click

from hookstream_keys.cli.envs.listing import list_command


@click.group("envs")
def envs_group() -> None:
    """List environments, as the operator."""


envs_group.add_command(list_command)
