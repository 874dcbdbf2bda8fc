"""The operations of the API as values: what to send, and how to read the response.

Every function here builds an `Operation`; `Client` and `AsyncClient` have a method for each, which
sends it. No input or output here. What a function raises by itself is ValueError, for an id or an
idempotency key that has another form.
"""

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, TypeVar, Unpack, cast
from urllib.parse import quote, urlencode

from hookstream_keys_client import types
from hookstream_keys_client.errors import InvalidResponse
from hookstream_keys_client.responses import (
    Parse,
    Response,
    json_object,
    member,
    nothing,
    object_with_secret,
)

ValueT = TypeVar("ValueT")
ItemT = TypeVar("ItemT")

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_COUNT = re.compile(r"[0-9]{1,18}")
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{16,255}")


@dataclass(frozen=True)
class Operation(Generic[ValueT]):
    """A request, and how to read its response. Its `repr` shows no parameter and no body."""

    method: str
    path: str
    parse: Parse = field(repr=False)
    query: Mapping[str, Any] = field(default_factory=dict, repr=False)
    body: Any = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: Whether carrying it out twice is the same as once: a retry is safe even if the first attempt
    #: may have arrived.
    repeatable: bool = False

    @property
    def name(self) -> str:
        """As messages name it, such as `GET /health`."""
        return f"{self.method} {self.path}"

    @property
    def target(self) -> str:
        """Path and query, as they are sent below the base URL."""
        given = {name: _text(value) for name, value in self.query.items() if value is not None}
        return f"{self.path}?{urlencode(given)}" if given else self.path

    @property
    def content(self) -> bytes | None:
        """The body as it is sent."""
        return None if self.body is None else json.dumps(self.body).encode()

    def read(self, response: Response) -> ValueT:
        """The value of a successful response. Raises InvalidResponse."""
        return cast(ValueT, self.parse(response))


@dataclass(frozen=True)
class PageOperation(Operation[ValueT], Generic[ValueT, ItemT]):
    """A page of a list, which has a cursor to the next one."""

    #: The member of the response with the items.
    items_member: str = ""

    def items(self, page: ValueT) -> list[ItemT]:
        """The items of a page. Raises InvalidResponse."""
        found = cast(Mapping[str, Any], page).get(self.items_member)
        if not isinstance(found, list):
            raise InvalidResponse(f"200: {self.items_member!r} is no list", status=200)
        return cast(list[ItemT], found)

    def following(self, page: ValueT) -> "PageOperation[ValueT, ItemT] | None":
        """The next page; None after the last. Raises InvalidResponse."""
        cursor = cast(Mapping[str, Any], page).get("cursor")
        if cursor is None:
            return None
        # The same again would be iterated without an end.
        if not isinstance(cursor, str) or cursor in ("", self.query.get("cursor")):
            raise InvalidResponse("200: 'cursor' is not that of a next page", status=200)
        return replace(self, query={**self.query, "cursor": cursor})


@dataclass(frozen=True)
class Revocation:
    """What a revocation did."""

    #: The keys that this request revoked; 0 if all of them were already revoked.
    revoked_keys: int
    #: With `descendants`: other keys of which the revoked keys received a secret that is valid.
    rotated_keys: int | None

    @classmethod
    def of(cls, response: Response) -> "Revocation":
        """Read the headers of the response. Raises InvalidResponse."""
        revoked, rotated = (_count(response, f"X-{name}-Keys") for name in ("Revoked", "Rotated"))
        return cls(revoked or 0, rotated)


# API keys


def create_api_key(
    *, idempotency_key: str | None = None, **fields: Unpack[types.CreateApiKeyRequest]
) -> Operation[types.CreatedApiKey]:
    """Create a key; the response shows its secret, `key`, once.

    A retry is safe: every attempt has the same `Idempotency-Key`, by default a new UUID.
    """
    return _create("/auth/api-keys", fields, idempotency_key, object_with_secret)


def list_api_keys(
    *,
    limit: int | None = None,
    cursor: str | None = None,
    org_id: str | None = None,
    env_id: str | None = None,
    created_by: str | None = None,
    rotated_by: str | None = None,
    name: str | None = None,
    state: types.KeyState | None = None,
) -> PageOperation[types.ApiKeyPage, types.ApiKey]:
    """List keys, newest first. `cursor` is that of the page before."""
    return PageOperation(
        "GET",
        "/auth/api-keys",
        json_object,
        query={
            "limit": limit,
            "cursor": cursor,
            "org_id": org_id,
            "env_id": env_id,
            "created_by": created_by,
            "rotated_by": rotated_by,
            "name": name,
            "state": state,
        },
        repeatable=True,
        items_member="api_keys",
    )


def get_api_key(key_id: str) -> Operation[types.ApiKey]:
    """Get a key: its rules, state and usage, never its secret."""
    return _get(f"/auth/api-keys/{_id(key_id)}", member("api_key"))


def update_api_key(
    key_id: str, **fields: Unpack[types.UpdateApiKeyRequest]
) -> Operation[types.ApiKey]:
    """Change the given fields of a key and leave the others. None is a value: `expires_at=None`."""
    return Operation("PATCH", f"/auth/api-keys/{_id(key_id)}", member("api_key"), body=fields)


def revoke_api_key(
    key_id: str, *, reason: types.RevocationReason | None = None, descendants: bool | None = None
) -> Operation[Revocation]:
    """Revoke a key permanently; with `descendants`, also the keys that it created.

    Revoking twice has no effect, so it is retried also if the first attempt may have arrived; the
    counts are then those of the last attempt.
    """
    return Operation(
        "DELETE",
        f"/auth/api-keys/{_id(key_id)}",
        Revocation.of,
        query={"reason": reason, "descendants": descendants},
        repeatable=True,
    )


def revoke_by_secret(**fields: Unpack[types.RevokeBySecretRequest]) -> Operation[None]:
    """Revoke a leaked key by its secret; the response does not reveal whether it exists."""
    return Operation("POST", "/auth/api-keys/revoke", nothing, body=fields, repeatable=True)


def rotate_api_key(
    key_id: str, *, idempotency_key: str | None = None, **fields: Unpack[types.RotateRequest]
) -> Operation[types.RotatedApiKey]:
    """Give a key a new secret, shown once; its first use begins the grace period of the old one.

    A retry is safe: every attempt has the same `Idempotency-Key`, by default a new UUID.
    """
    path = f"/auth/api-keys/{_id(key_id)}/rotations"
    return _create(path, fields, idempotency_key, object_with_secret)


def cancel_rotation(key_id: str, rotation_id: str) -> Operation[None]:
    """Cancel a pending rotation: its secret is no longer accepted."""
    return _delete(f"/auth/api-keys/{_id(key_id)}/rotations/{_id(rotation_id)}")


# Verification


def verify_api_key(**fields: Unpack[types.VerifyRequest]) -> Operation[types.Verification]:
    """Return whether a key is valid for a use, and if not, why.

    It is retried, also if the first attempt may have arrived: then the use may count twice.
    """
    return _verify("/auth/api-keys/verify", fields, json_object)


def verify_api_keys(requests: list[types.VerifyRequest]) -> Operation[list[types.Verification]]:
    """Verify up to 100 keys; the results are in the order of the requests."""
    return _verify("/auth/api-keys/verify-batch", {"requests": requests}, member("results"))


def whoami() -> Operation[types.Whoami]:
    """Return the principal that the client's own credential authenticates."""
    return _get("/auth/whoami", json_object)


# Organizations and members


def list_organizations(
    *, limit: int | None = None, cursor: str | None = None
) -> PageOperation[types.OrganizationPage, types.Organization]:
    """List the organizations that the caller belongs to."""
    return PageOperation(
        "GET",
        "/organizations",
        json_object,
        query={"limit": limit, "cursor": cursor},
        repeatable=True,
        items_member="organizations",
    )


def create_organization(
    *, idempotency_key: str | None = None, **fields: Unpack[types.CreateOrganizationRequest]
) -> Operation[types.Organization]:
    """Create an organization, owned by the signed-in user; needs a session."""
    return _create("/organizations", fields, idempotency_key, member("organization"))


def get_organization(organization_id: str) -> Operation[types.Organization]:
    """Get an organization."""
    return _get(f"/organizations/{_id(organization_id)}", member("organization"))


def update_organization(
    organization_id: str, **fields: Unpack[types.UpdateOrganizationRequest]
) -> Operation[types.Organization]:
    """Change an organization's name or slug."""
    path = f"/organizations/{_id(organization_id)}"
    return Operation("PATCH", path, member("organization"), body=fields)


def delete_organization(organization_id: str) -> Operation[None]:
    """Delete an organization with its environments, which revokes their keys."""
    return _delete(f"/organizations/{_id(organization_id)}")


def list_members(
    organization_id: str, *, limit: int | None = None, cursor: str | None = None
) -> PageOperation[types.MemberPage, types.Member]:
    """List the members of an organization."""
    return PageOperation(
        "GET",
        f"/organizations/{_id(organization_id)}/members",
        json_object,
        query={"limit": limit, "cursor": cursor},
        repeatable=True,
        items_member="members",
    )


def add_member(
    organization_id: str,
    *,
    idempotency_key: str | None = None,
    **fields: Unpack[types.AddMemberRequest],
) -> Operation[types.Member]:
    """Add a registered user to an organization."""
    path = f"/organizations/{_id(organization_id)}/members"
    return _create(path, fields, idempotency_key, member("member"))


def get_member(organization_id: str, member_id: str) -> Operation[types.Member]:
    """Get a member of an organization."""
    return _get(_member_path(organization_id, member_id), member("member"))


def update_member(
    organization_id: str,
    member_id: str,
    *,
    api_keys: Literal["keep", "revoke"] | None = None,
    **fields: Unpack[types.UpdateMemberRequest],
) -> Operation[types.ChangedMember]:
    """Change a member's role; `api_keys` is what happens to keys that it no longer covers."""
    return Operation(
        "PATCH",
        _member_path(organization_id, member_id),
        json_object,
        query={"api_keys": api_keys},
        body=fields,
    )


def remove_member(
    organization_id: str, member_id: str, *, api_keys: Literal["keep", "revoke"] | None = None
) -> Operation[types.ChangedMember]:
    """Remove a member; `api_keys` is what happens to the keys that they created."""
    return Operation(
        "DELETE",
        _member_path(organization_id, member_id),
        json_object,
        query={"api_keys": api_keys},
    )


# Environments


def list_environments(
    *, limit: int | None = None, cursor: str | None = None, org_id: str | None = None
) -> PageOperation[types.EnvironmentPage, types.KeyEnvironment]:
    """List the environments of an organization."""
    return PageOperation(
        "GET",
        "/environments",
        json_object,
        query={"limit": limit, "cursor": cursor, "org_id": org_id},
        repeatable=True,
        items_member="environments",
    )


def create_environment(
    *, idempotency_key: str | None = None, **fields: Unpack[types.CreateEnvironmentRequest]
) -> Operation[types.KeyEnvironment]:
    """Create an environment."""
    return _create("/environments", fields, idempotency_key, member("environment"))


def get_environment(environment_id: str) -> Operation[types.KeyEnvironment]:
    """Get an environment."""
    return _get(f"/environments/{_id(environment_id)}", member("environment"))


def update_environment(
    environment_id: str, **fields: Unpack[types.UpdateEnvironmentRequest]
) -> Operation[types.KeyEnvironment]:
    """Change an environment's name or slug."""
    path = f"/environments/{_id(environment_id)}"
    return Operation("PATCH", path, member("environment"), body=fields)


def delete_environment(environment_id: str) -> Operation[None]:
    """Delete an environment, which revokes its keys."""
    return _delete(f"/environments/{_id(environment_id)}")


# Audit log and health


def list_audit_log(
    *,
    org_id: str | None = None,
    resource_type: str | None = None,
    resource_id: str | None = None,
    action: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> PageOperation[types.AuditLogPage, types.AuditLogEntry]:
    """List the audit log, newest first."""
    return PageOperation(
        "GET",
        "/audit-log",
        json_object,
        query={
            "org_id": org_id,
            "resource_type": resource_type,
            "resource_id": resource_id,
            "action": action,
            "limit": limit,
            "cursor": cursor,
        },
        repeatable=True,
        items_member="audit_log",
    )


def get_health() -> Operation[types.Health]:
    """Return whether the server runs."""
    return _get("/health", json_object)


def get_readiness() -> Operation[types.Readiness]:
    """Return whether the server can read and write; Unavailable if it cannot."""
    return _get("/health/ready", json_object)


# Everything else


def request(
    method: str,
    path: str,
    *,
    query: Mapping[str, Any] | None = None,
    body: Any = None,
    idempotency_key: str | None = None,
) -> Operation[Any]:
    """Any other operation: the JSON of its response, None if there is none.

    `path` begins below the base URL, such as `/auth/get-session`. Only a GET, and a request with an
    `idempotency_key`, is retried if the first attempt may have arrived.
    """
    return Operation(
        method,
        path,
        Response.json,
        query=query or {},
        body=body,
        headers={} if idempotency_key is None else _idempotency(idempotency_key),
        repeatable=method == "GET" or idempotency_key is not None,
    )


def _get(path: str, parse: Parse) -> Operation[Any]:
    return Operation("GET", path, parse, repeatable=True)


def _verify(path: str, body: Any, parse: Parse) -> Operation[Any]:
    return Operation("POST", path, parse, body=body, repeatable=True)


def _create(path: str, body: Any, idempotency_key: str | None, parse: Parse) -> Operation[Any]:
    """An operation that creates something: it has an `Idempotency-Key`, so it can be repeated."""
    headers = _idempotency(idempotency_key or str(uuid.uuid4()))
    return Operation("POST", path, parse, body=body, headers=headers, repeatable=True)


def _delete(path: str) -> Operation[Any]:
    """A deletion. If it is repeated the response is another one (404 or 409): not repeatable."""
    return Operation("DELETE", path, nothing)


def _member_path(organization_id: str, member_id: str) -> str:
    return f"/organizations/{_id(organization_id)}/members/{_id(member_id)}"


def _id(value: str) -> str:
    """An id as a segment of a path. Raises ValueError: `..` would lead to another operation."""
    if not _ID.fullmatch(value):
        raise ValueError("an id has 1 to 64 letters, digits, '_' and '-', such as ak_3b1f0c9d")
    return quote(value, safe="")


def _idempotency(value: str) -> dict[str, str]:
    if not _IDEMPOTENCY_KEY.fullmatch(value):
        raise ValueError(
            "an idempotency key has 16 to 255 visible ASCII characters, such as a UUID"
        )
    return {"Idempotency-Key": value}


def _count(response: Response, name: str) -> int | None:
    """The number in a header field; None if it is missing. Raises InvalidResponse."""
    text = response.headers.get(name)
    if text is not None and not _COUNT.fullmatch(text):
        raise InvalidResponse(f"{response.status}: {name} is no number", status=response.status)
    return None if text is None else int(text)


def _text(value: Any) -> str:
    """A parameter as the API reads it: `true`, not `True`."""
    return str(value).lower() if isinstance(value, bool) else str(value)
