"""Options that several commands have."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from hookstream_keys.settings import DEFAULT_DATABASE

Command = TypeVar("Command", bound=Callable[..., Any])


def with_database(command: Command) -> Command:
    """Give a command the option that every one of them has."""
    option = click.option(
        "--database",
        metavar="URL",
        envvar="HOOKSTREAM_DATABASE",
        default=DEFAULT_DATABASE,
        show_default=True,
        show_envvar=True,
        help="Where everything is kept: sqlite:///FILE.",
    )
    return option(command)


def with_json(command: Command) -> Command:
    """Give a command the option to answer a program instead of a person."""
    return click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")(command)
