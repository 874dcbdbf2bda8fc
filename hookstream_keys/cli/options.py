"""Options that commands share."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import click
from click.core import ParameterSource

from hookstream_keys.contract import spec
from hookstream_keys.contract.schemas import check_value
from hookstream_keys.domain.setting_kinds import Takes
from hookstream_keys.settings import DEFAULT_DATABASE, require_accepted

Command = TypeVar("Command", bound=Callable[..., Any])


#: What the message says of a value that `as_in` refuses.
NAME = "is not a name of 1 to 100 characters, without control characters or a leading space"
EMAIL = "is not an email address such as you@example.com"


class Number(click.IntRange):
    """A number of an option and of a setting: both are refused in the words of `takes`."""

    def __init__(self, lowest: int, highest: int, takes: Takes) -> None:
        super().__init__(lowest, highest)
        self._takes = takes

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number. Raises click.BadParameter, or SettingsError if it is the environment's."""
        if param is not None and ctx is not None and param.name is not None:
            source = ctx.get_parameter_source(param.name)
            if source is ParameterSource.ENVIRONMENT:
                require_accepted(_variable(param), value, self._takes)
        if not self._takes.pattern.fullmatch(str(value)):
            self.fail(f"{value!r} is not {self._takes.words}", param, ctx)
        return super().convert(value, param, ctx)


def _variable(option: click.Parameter) -> str:
    """The variable that the option's value is from: as click does, the first that is not empty."""
    names = option.envvar if isinstance(option.envvar, Sequence) else ()
    return next(name for name in names if os.environ.get(name))


def as_in(operation_id: str, field: str, otherwise: str) -> Callable[..., str]:
    """A callback that validates an option by the schema of a request's field."""

    def check(_: click.Context, __: click.Parameter, value: str) -> str:
        schema = spec.request_schema(spec.document(), operation_id)["properties"][field]
        if check_value(schema, value, field):
            raise click.BadParameter(otherwise)
        return value

    return check


def with_page(command: Command) -> Command:
    """Add the options `--limit` and `--cursor` to a command that lists."""
    limit = click.option(
        "--limit",
        metavar="N",
        help="Maximum number of rows to show.",
    )
    return limit(click.option("--cursor", help="Continue from this cursor.")(command))


def with_database(command: Command) -> Command:
    """Add the option `--database` to a command."""
    option = click.option(
        "--database",
        metavar="URL",
        envvar="HOOKSTREAM_DATABASE",
        default=DEFAULT_DATABASE,
        show_default=True,
        show_envvar=True,
        help="The database: sqlite:///FILE, or postgresql://USER@HOST/NAME.",
        callback=without_password,
    )
    return option(command)


def without_password(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """A callback that refuses a password: every user of the machine can read it there."""
    given = context.get_parameter_source(parameter.name or "")
    if given is ParameterSource.COMMANDLINE and _has_password(value):
        raise click.BadParameter(
            "has a password, which every user of the machine could read there: put it into "
            "PGPASSWORD or the file of PGPASSFILE"
            + (", or the URL into HOOKSTREAM_DATABASE" if parameter.envvar else "")
        )
    return value


def _has_password(url: str) -> bool:
    """Whether a URL has a password, before its host or among its parameters."""
    _, _, rest = url.partition("://")
    before_host, at, _ = rest.rpartition("@")
    parameters = {name.lower() for name, _ in parse_qsl(rest.partition("?")[2])}
    # `sslpassword` is that of a private key.
    has_parameter = any(name.endswith("password") for name in parameters)
    return (bool(at) and ":" in before_host) or has_parameter


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
