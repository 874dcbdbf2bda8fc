"""API keys: issuing them."""

from typing import Any

from hookstream_keys import ids, keys, timestamps
from hookstream_keys.call import Answer, Call
from hookstream_keys.errors import EnvironmentNotFound
from hookstream_keys.handlers import access, audit
from hookstream_keys.scopes import Scopes
from hookstream_keys.store import ApiKey, ReferenceGone


def create_api_key(call: Call, body: dict[str, Any]) -> Answer:
    """Issue a key for an environment and show it, this once."""
    environment = access.environment_to(
        call, "api-keys:create", org_id=body["org_id"], env_id=body["env_id"]
    )
    scopes = Scopes.parse(body["scopes"])
    access.require_no_broader(call, scopes)

    new = keys.generate(environment.mode)
    key = ApiKey(
        id=ids.new("ak"),
        org_id=environment.org_id,
        env_id=environment.id,
        name=body["name"],
        prefix=new.prefix,
        scopes=str(scopes),
        created_by=audit.actor(call),
        created_at=timestamps.to_text(call.now),
    )
    try:
        call.store.add_key(key, new.digest, audit.key_created(call, key))
    except ReferenceGone:
        raise EnvironmentNotFound from None

    created = {
        "id": key.id,
        "name": key.name,
        "key": new.secret,
        "key_prefix": key.prefix,
        "scopes": key.scopes,
        "created_at": key.created_at,
    }
    return created, 201, {"Cache-Control": "no-store"}
