"""The new password of a user: generated, or from standard input, never an argument."""

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from hookstream_keys.contract import spec
from hookstream_keys.contract.schemas import check_value
from hookstream_keys.domain import passwords

Command = TypeVar("Command", bound=Callable[..., Any])

#: More than the document allows, so that a longer one is refused and not cut.
_MAX_READ = 1000


def with_password(command: Command) -> Command:
    """Add the option `--password-stdin` to a command."""
    option = click.option(
        "--password-stdin",
        is_flag=True,
        help="Read the password from standard input, or prompt for it. Default: generate one and"
        " show it once.",
    )
    return option(command)


def new_password(*, from_input: bool) -> str:
    """The password. Raises UsageError when the one on standard input cannot be used."""
    if not from_input:
        return passwords.generate()
    if sys.stdin is None:
        raise click.UsageError("standard input is closed: the password is read from it")
    if sys.stdin.isatty():
        given: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        given = sys.stdin.readline(_MAX_READ).removesuffix("\n").removesuffix("\r")
    schema = spec.request_schema(spec.document(), "signUpEmail")["properties"]["password"]
    if check_value(schema, given, "password"):
        raise click.UsageError(
            f"the password on standard input has {len(given)} characters; it takes "
            f"{schema['minLength']} to {schema['maxLength']}"
        )
    return given
