"""An environment with many keys, made by the API's own handlers, without HTTP."""

from typing import NamedTuple

from hookstream_keys.cli.operations import ask
from hookstream_keys.store import open_store
from support import Database, url_of
from support.results import in_groups


class LargeEnvironment(NamedTuple):
    """The environment, the ids of its keys, and one of their secrets."""

    id: str
    key_ids: list[str]
    #: Of the key that is revoked last, since it expires last.
    secret: str


def add_large_environment(
    database: Database, org_id: str, keys: int, name: str = "Large"
) -> LargeEnvironment:
    """Add one to the organization, while no server runs."""
    store = open_store(url_of(database.path))
    where = {"org_id": org_id}
    body = {"name": name, "slug": name.lower(), **where}
    env_id = ask(store, "createEnvironment", body)["environment"]["id"]
    body = {"name": "k", "env_id": env_id, **where}
    made = [ask(store, "createApiKey", body) for _ in in_groups(store, keys - 1)]
    last = ask(store, "createApiKey", {**body, "expires_at": "2999-01-01T00:00:00Z"})
    store.close()
    return LargeEnvironment(env_id, [key["id"] for key in (*made, last)], last["key"])
