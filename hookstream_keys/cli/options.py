"""Options that commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from hookstream_keys.settings import DEFAULT_DATABASE

Command = TypeVar("Command", bound=Callable[..., Any])


def with_database(command: Command) -> Command:
    """Add the option `--database` to a command."""
    option = click.option(
        "--database",
        metavar="URL",
        envvar="HOOKSTREAM_DATABASE",
        default=DEFAULT_DATABASE,
        show_default=True,
        show_envvar=True,
        help="The database: sqlite:///FILE.",
    )
    return option(command)


def with_json(command: Command) -> Command:
    """Add the option `--json` to a command."""
    return click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")(command)


def with_archives(command: Command) -> Command:
    """Add the option `--archive`, which may be repeated, to a command that reads the audit log."""
    option = click.option(
        "--archive",
        "archives",
        metavar="FILE",
        multiple=True,
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="An archive that audit prune wrote: checked with the log as one chain. May be"
        " repeated.",
    )
    return option(command)
