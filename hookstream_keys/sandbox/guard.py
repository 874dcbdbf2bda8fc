"""Keeps a run from ending its own credential: the facts stay valid until the next reset."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from hookstream_keys.contract.schemas import parse_json
from hookstream_keys.domain.errors import BadRequest, Forbidden
from hookstream_keys.sandbox.recorder import RecordedRequest

#: The operations that would end or narrow what the sandbox's own key and session rest on, and the
#: fact with the ID that each must not be used on.
_PROTECTED = {
    "deleteEnvironment": "env_id",
    "deleteOrganization": "org_id",
    "removeMember": "member_id",
    "revokeApiKey": "key_id",
    "rotateApiKey": "key_id",
    "updateApiKey": "key_id",
    "updateMember": "member_id",
}


def refusal(facts: Mapping[str, Any], request: RecordedRequest) -> Forbidden | None:
    """The error for a request that would end the sandbox's own key or session; None for others."""
    operation = request.operation or ""
    fact = _PROTECTED.get(operation)
    if fact is not None and facts[fact] in request.path.split("/"):
        return Forbidden(
            f"The sandbox keeps the {fact} of its facts as it is, so that its own key stays valid: "
            "make another one to change or delete."
        )
    if operation == "revokeBySecret" and _secret(request.body) == facts["key"]:
        return Forbidden(
            "The sandbox keeps the key of its facts: make another one to revoke by its secret."
        )
    sent = unquote(" ".join(request.headers.values()))
    if operation == "signOut" and facts["session_token"] in sent:
        return Forbidden(
            "The sandbox keeps the session of its facts: sign in, and sign out of that session."
        )
    return None


def _secret(body: bytes) -> str | None:
    """The key that a request to revoke by secret names."""
    try:
        value = parse_json(body)
    except BadRequest:
        return None
    key = value.get("key") if isinstance(value, dict) else None
    return key.strip() if isinstance(key, str) else None
