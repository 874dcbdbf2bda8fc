"""`hookstream-keys init`."""

import re

import click

from hookstream_keys import bootstrap, timestamps
from hookstream_keys.cli.database import settings_for
from hookstream_keys.cli.options import with_database, with_json
from hookstream_keys.cli.output import show, show_json
from hookstream_keys.settings import signing_secrets
from hookstream_keys.store import database_path, open_store


@click.command("init")
@click.option("--org", default="My organization", show_default=True, help="The organization.")
@click.option("--env", default="Production", show_default=True, help="The environment.")
@click.option(
    "--email",
    default="owner@hookstream.invalid",
    show_default=True,
    help="What the owner signs in with.",
)
@with_json
@with_database
def init_command(org: str, env: str, email: str, as_json: bool, database: str) -> None:
    """Create or upgrade the database; in an empty one, make an owner and a first key.

    The owner's password and the key are shown this once. Run again, it changes nothing.
    """
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s.]+", email):
        raise click.BadParameter("is no address such as you@example.com", param_hint="--email")
    settings = settings_for(database)
    store = open_store(database)
    store.migrate()
    signing_secrets(settings, database_path(database))
    first = bootstrap.create_first_tenant(
        store, org=org, env=env, email=email, now=timestamps.now()
    )
    if first is None:
        message = "The database has users already; nothing was changed."
        if as_json:
            show_json({"message": message})
        else:
            click.echo(message)
        return
    facts = {
        "org_id": first.tenant.tenancy.organization.id,
        "env_id": first.tenant.tenancy.environment.id,
        "user_id": first.tenant.user.id,
        "email": first.tenant.user.email,
        "password": first.password,
        "key": first.key,
        "key_prefix": first.tenant.key.prefix,
    }
    if not as_json:
        click.echo("Created, and shown this once:")
    show(facts, as_json)
