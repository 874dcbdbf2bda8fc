"""The command line, for the operator at the machine."""

import io
import os
import sys
from typing import NoReturn

import click
from click.exceptions import NoArgsIsHelpError

from hookstream_keys import __version__
from hookstream_keys.cli.audit import audit_group
from hookstream_keys.cli.backup import backup_command
from hookstream_keys.cli.envs import envs_group
from hookstream_keys.cli.init import init_command
from hookstream_keys.cli.keys import keys_group
from hookstream_keys.cli.migrate_store import migrate_store_command
from hookstream_keys.cli.orgs import orgs_group
from hookstream_keys.cli.output import OutputError, discard_output, printable
from hookstream_keys.cli.restore import restore_command
from hookstream_keys.cli.sandbox import sandbox_command
from hookstream_keys.cli.serve import serve_command
from hookstream_keys.cli.users import users_group
from hookstream_keys.domain.errors import ApiError
from hookstream_keys.settings import SettingsError
from hookstream_keys.store import CommitUnknown, StoreError

_STANDARD_ERROR = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hookstream-keys")
def cli() -> None:
    """Self-hosted API keys: issue, verify, rotate and revoke them."""


for command in (
    init_command,
    serve_command,
    keys_group,
    users_group,
    orgs_group,
    envs_group,
    audit_group,
    backup_command,
    restore_command,
    migrate_store_command,
    sandbox_command,
):
    cli.add_command(command)


def main() -> None:
    """Run the command. Errors that the operator can fix are one line on stderr, and status 1.

    Where the command line itself is wrong, its usage comes before the line, and the status is 2.
    """
    _occupy_closed_descriptors()
    _escape_unencodable_output()
    try:
        _require_utf8_arguments(sys.argv[1:])
        # Not standalone: click would print errors in a form of its own.
        sys.exit(cli(standalone_mode=False))
    except NoArgsIsHelpError as error:
        # The help, which is no error message.
        error.show()
        sys.exit(error.exit_code)
    except click.UsageError as error:
        _fail_usage(error)
    except click.ClickException as error:
        _fail(error.format_message(), error.exit_code)
    except click.Abort:
        _fail("interrupted")
    except OutputError as error:
        discard_output()
        _fail(str(error))
    except CommitUnknown as error:
        _fail(
            f"{error}: the change may be stored, or not; look before you repeat the command. A key "
            "that keys list shows then is to be revoked: its secret is lost"
        )
    except (SettingsError, StoreError) as error:
        _fail(str(error))
    except OSError as error:
        discard_output()
        _fail(f"{error.filename or 'standard output'}: {error.strerror or error}")
    except ApiError as error:
        details = "; ".join(f"{detail.location}: {detail.message}" for detail in error.details)
        _fail(f"{error.message} {details}".rstrip())


def _escape_unencodable_output() -> None:
    # A secret is shown once: a name that the terminal cannot encode must not fail the command.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _require_utf8_arguments(arguments: list[str]) -> None:
    # Python passes bytes that are not UTF-8 on as lone surrogates, which cannot be stored.
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            _fail(f"the argument {argument!r} is not UTF-8")


def _occupy_closed_descriptors() -> None:
    # Otherwise the next file that is opened, such as the listener, is standard output to others.
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STANDARD_ERROR:
        pass
    os.close(descriptor)


def _fail_usage(error: click.UsageError) -> NoReturn:
    if error.ctx is not None:
        usage = error.ctx.get_usage()
        click.echo(f"{usage}\nTry '{error.ctx.command_path} --help' for help.\n", err=True)
    # Click lists choices on lines of their own, and begins with a capital letter.
    message = " ".join(line.strip() for line in error.format_message().splitlines())
    _fail(message[:1].lower() + message[1:], error.exit_code)


def _fail(message: str, status: int = 1) -> NoReturn:
    # It may contain a field's or a file's name, so control characters are escaped.
    click.echo(f"hookstream-keys: {printable(message)}", err=True)
    sys.exit(status)
