"""`hookstream-keys keys verify`."""

import sys
from typing import Any

import click

from hookstream_keys.auth import verification
from hookstream_keys.cli.database import existing_store
from hookstream_keys.cli.options import with_database, with_json
from hookstream_keys.cli.output import show
from hookstream_keys.domain import keys, timestamps
from hookstream_keys.domain.scopes import Scopes


def _refuse(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> None:
    # Not click's own message, which would print the key.
    if given:
        raise click.UsageError("the key is read from standard input, not from the command line")


@click.command("verify")
@click.option("--ip", metavar="ADDRESS", help="The address that the key is used from.")
@click.option("--scopes", help="The scopes that the key must cover.")
@click.argument("nothing", nargs=-1, metavar="", callback=_refuse, expose_value=False)
@with_json
@with_database
def verify_command(ip: str | None, scopes: str | None, as_json: bool, database: str) -> None:
    """Verify a key; exit with 1 when it is not valid.

    Unlike verification over the API, this is not a use of the key: it counts for no
    limit, and activates no rotation.

    The key is read from standard input, or prompted for: on the command line every
    user of the machine could see it.
    """
    if sys.stdin.isatty():
        secret = click.prompt("Key", hide_input=True)
    else:
        secret = sys.stdin.readline(1000)
    use = verification.Use(
        now=timestamps.to_text(timestamps.now()),
        ip=ip,
        scopes=Scopes.parse(scopes).names if scopes else (),
    )
    store = existing_store(database)
    found = store.run(verification.verify(store, keys.digest_of(secret.strip()), use))
    facts: dict[str, Any] = {"valid": found.code == "VALID", "code": found.code}
    if found.key is not None:
        facts |= {
            "id": found.key.id,
            "name": found.key.name,
            "org_id": found.key.org_id,
            "env_id": found.key.env_id,
            "key_prefix": found.key.prefix,
            "scopes": found.key.scopes,
            "created_at": found.key.created_at,
        }
    show(facts, as_json)
    sys.exit(0 if found.code == "VALID" else 1)
