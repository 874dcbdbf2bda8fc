"""A key with many descendants, made by the API's own handlers, without HTTP."""

from typing import Any

from hookstream_keys.cli.operations import ask
from hookstream_keys.context.principal import KeyPrincipal
from hookstream_keys.domain import ids, timestamps
from hookstream_keys.domain.scopes import Scopes
from hookstream_keys.handlers import in_process
from hookstream_keys.handlers.context import RequestContext
from hookstream_keys.store import Store, open_store
from support import Database, Tenant, url_of
from support.results import in_groups, result_of


def add_family(database: Database, tenant: Tenant, descendants: int) -> list[dict[str, Any]]:
    """Add a key, and so many descendants, while no server runs. Returns all, the key first.

    The key creates every other one, and each of these one more.
    """
    store = open_store(url_of(database.path))
    body = {"name": "k", "org_id": tenant.org_id, "env_id": tenant.env_id}
    root = ask(store, "createApiKey", body)
    made = [root]
    for number in in_groups(store, descendants):
        creator = root if number % 2 == 0 else made[-1]
        made.append(_created_by(store, creator["id"], body))
    store.close()
    return made


def _created_by(store: Store, creator: str, body: dict[str, str]) -> dict[str, Any]:
    principal = KeyPrincipal(creator, body["org_id"], body["env_id"], Scopes.parse("*"))
    context = RequestContext(store, principal, ids.new("req"), None, timestamps.now())
    created: dict[str, Any] = result_of(in_process.answer(context, store, "createApiKey", body))[0]
    return created
