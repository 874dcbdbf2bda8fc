"""`hookstream-keys init`."""

from collections.abc import Callable

import click

from hookstream_keys.cli.database import settings_for
from hookstream_keys.cli.operations import operator_context
from hookstream_keys.cli.options import with_database, with_json
from hookstream_keys.cli.output import note, require_output, show_json, show_once
from hookstream_keys.contract import spec
from hookstream_keys.contract.schemas import check_value
from hookstream_keys.domain import passwords
from hookstream_keys.handlers import bootstrap
from hookstream_keys.runtime.new_secret import secrets_at_start
from hookstream_keys.store import database_path, open_store, require_private

_NAME = "is not a name of 1 to 100 characters, without control characters or a leading space"


def _as_in(operation_id: str, field: str, otherwise: str) -> Callable[..., str]:
    """A callback that validates a value by the schema of a request's field."""

    def check(_: click.Context, __: click.Parameter, value: str) -> str:
        schema = spec.request_schema(spec.document(), operation_id)["properties"][field]
        if check_value(schema, value, field):
            raise click.BadParameter(otherwise)
        return value

    return check


@click.command("init")
@click.option(
    "--org",
    default="My organization",
    show_default=True,
    callback=_as_in("createOrganization", "name", _NAME),
    help="The organization's name.",
)
@click.option(
    "--env",
    default="Production",
    show_default=True,
    callback=_as_in("createEnvironment", "name", _NAME),
    help="The environment's name.",
)
@click.option(
    "--email",
    default="owner@hookstream.invalid",
    show_default=True,
    callback=_as_in("signInEmail", "email", "is not an email address such as you@example.com"),
    help="The email address that the owner signs in with.",
)
@with_json
@with_database
def init_command(org: str, env: str, email: str, as_json: bool, database: str) -> None:
    """Create or upgrade the database; in an empty one, make an owner and a first key.

    The owner's password and the key are shown once. Running it again changes nothing.
    """
    require_output()
    settings = settings_for(database)
    require_private(database)
    store = open_store(database)
    store.migrate()
    path = database_path(database)
    _, warning = secrets_at_start(settings, path, store)
    if warning is not None:
        note(f"WARNING: {warning}")
    password = passwords.generate()
    password_hash = passwords.hashed(password)
    with store.group_commit():
        first = bootstrap.create_first_tenant(
            operator_context(store),
            store,
            org=org,
            env=env,
            email=email,
            password_hash=password_hash,
        )
        if first is not None:
            _show(first, password, as_json)
    if first is None:
        message = "The database has users already; nothing was changed."
        if as_json:
            show_json({"message": message})
        else:
            click.echo(message)


def _show(first: bootstrap.FirstTenant, password: str, as_json: bool) -> None:
    facts = {
        "org_id": first.tenant.tenancy.organization.id,
        "env_id": first.tenant.tenancy.environment.id,
        "user_id": first.tenant.user.id,
        "email": first.tenant.user.email,
        "password": password,
        "key": first.key,
        "key_prefix": first.tenant.key.prefix,
    }
    # Without the password the owner could not sign in: it is shown before the tenant is stored.
    show_once(
        facts,
        as_json,
        undo=lambda: None,
        undone="nothing was created",
        title="Created, and shown this once:",
    )
