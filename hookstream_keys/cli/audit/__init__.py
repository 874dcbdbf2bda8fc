"""`hookstream-keys audit`: a module for each of its commands."""

import click

from hookstream_keys.cli.audit.accept import accept_command
from hookstream_keys.cli.audit.prune import prune_command
from hookstream_keys.cli.audit.verify import verify_command


@click.group("audit")
def audit_group() -> None:
    """The audit log, for the operator."""


for command in (verify_command, accept_command, prune_command):
    audit_group.add_command(command)
