"""`hookstream-keys keys create`."""

import click

from hookstream_keys import ids, spec, timestamps
from hookstream_keys.call import Call
from hookstream_keys.cli.database import existing_store
from hookstream_keys.cli.options import with_database, with_json
from hookstream_keys.cli.output import show
from hookstream_keys.handlers.api_keys import create_api_key
from hookstream_keys.principal import Operator
from hookstream_keys.schemas import check_body


@click.command("create")
@click.option("--name", required=True, help="Display name for the key.")
@click.option("--org", "org_id", required=True, metavar="ORG_ID", help="The organization's id.")
@click.option("--env", "env_id", required=True, metavar="ENV_ID", help="The environment's id.")
@click.option("--scopes", default="*", show_default=True, help="What the key may do.")
@with_json
@with_database
def create_command(
    name: str, org_id: str, env_id: str, scopes: str, as_json: bool, database: str
) -> None:
    """Issue a key and show it, this once."""
    body = {"name": name, "org_id": org_id, "env_id": env_id, "scopes": scopes}
    schema = spec.request_schema(spec.load(), "createApiKey")
    call = Call(existing_store(database), Operator(), ids.new("req"), None, timestamps.now())
    answer = create_api_key(call, check_body(schema, body))
    show(answer[0], as_json)
