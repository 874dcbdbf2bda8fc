"""`hookstream-keys init`."""

import click

from hookstream_keys.cli.database import opened_store, settings_for
from hookstream_keys.cli.operations import operator_context
from hookstream_keys.cli.options import EMAIL, NAME, as_in, with_database, with_json
from hookstream_keys.cli.output import note, printable, require_output, show_json, show_once
from hookstream_keys.domain import passwords
from hookstream_keys.handlers import bootstrap, users
from hookstream_keys.runtime.new_secret import secrets_at_start
from hookstream_keys.store import Store, database_file, require_private

#: How many users a run on a used database names.
_NAMED = 20


@click.command("init")
@click.option(
    "--org",
    default="My organization",
    show_default=True,
    callback=as_in("createOrganization", "name", NAME),
    help="The organization's name.",
)
@click.option(
    "--env",
    default="Production",
    show_default=True,
    callback=as_in("createEnvironment", "name", NAME),
    help="The environment's name.",
)
@click.option(
    "--email",
    default="owner@hookstream.invalid",
    show_default=True,
    callback=as_in("signInEmail", "email", EMAIL),
    help="The email address that the owner signs in with.",
)
@with_json
@with_database
def init_command(org: str, env: str, email: str, as_json: bool, database: str) -> None:
    """Create or upgrade the database; in an empty one, make an owner and a first key.

    The owner's password and the key are shown once. Running it again changes nothing, and names
    the users.
    """
    require_output()
    settings = settings_for(database)
    require_private(database)
    store = opened_store(database)
    store.migrate()
    _, warning = secrets_at_start(settings, database_file(database), store)
    if warning is not None:
        note(f"WARNING: {warning}")
    password = passwords.generate()
    password_hash = passwords.hashed(password)

    async def create() -> bool:
        async with store.group_commit():
            first = await bootstrap.create_first_tenant(
                operator_context(store),
                store,
                org=org,
                env=env,
                email=email,
                password_hash=password_hash,
            )
            if first is not None:
                _show(first, password, as_json)
        return first is not None

    if not store.run(create()):
        _show_users(store, as_json=as_json)


def _show_users(store: Store, *, as_json: bool) -> None:
    """Name the users, for an operator who lost what the first run printed."""
    message = "The database has users already; nothing was changed."
    found = store.run(users.list_users(operator_context(store), store, _NAMED))
    named = [{"id": each["id"], "email": each["email"]} for each in found["users"]]
    if as_json:
        show_json({"message": message, "users": named})
        return
    click.echo(message)
    for each in named:
        click.echo(f"  {printable(each['email'])}")
    if found["has_more"]:
        click.echo("  and more: hookstream-keys users list")
    click.echo("For another password: hookstream-keys users set-password EMAIL")


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
