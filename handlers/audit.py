"""What the audit log says of a change. An event is stored in the transaction of the change."""

from collections.abc import Mapping
from typing import Any

from hookstream_keys import ids, timestamps
from hookstream_keys.call import Call
from hookstream_keys.principal import KeyPrincipal, SessionPrincipal
from hookstream_keys.store import ApiKey, AuditEvent, Environment, Organization


def actor(call: Call) -> str | None:
    """The id of the user or key behind the call; None for the operator at the command line."""
    match call.principal:
        case SessionPrincipal(user_id=user_id):
            return user_id
        case KeyPrincipal(key_id=key_id):
            return key_id
        case _:
            return None


def organization_created(call: Call, organization: Organization) -> AuditEvent:
    """A tenant came to be."""
    return _event(
        call,
        "organization.created",
        org_id=organization.id,
        resource_id=organization.id,
        details={"name": organization.name, "slug": organization.slug},
    )


def environment_created(call: Call, environment: Environment) -> AuditEvent:
    """An environment came to be."""
    return _event(
        call,
        "environment.created",
        org_id=environment.org_id,
        resource_id=environment.id,
        details={"name": environment.name, "slug": environment.slug, "mode": environment.mode},
    )


def key_created(call: Call, key: ApiKey) -> AuditEvent:
    """A key was issued."""
    return _event(
        call,
        "api_key.created",
        org_id=key.org_id,
        resource_id=key.id,
        details={
            "env_id": key.env_id,
            "name": key.name,
            "key_prefix": key.prefix,
            "scopes": key.scopes,
        },
    )


def key_updated(call: Call, key: ApiKey, changes: Mapping[str, Any]) -> AuditEvent:
    """A key was given other rules: `changes` says what they are now."""
    return _event(
        call,
        "api_key.updated",
        org_id=key.org_id,
        resource_id=key.id,
        details={"env_id": key.env_id, "changes": dict(changes)},
    )


def key_revoked(call: Call, key: ApiKey, reason: str) -> AuditEvent:
    """A key was ended, for a reason of RFC 5280."""
    return _event(
        call,
        "api_key.revoked",
        org_id=key.org_id,
        resource_id=key.id,
        details={"env_id": key.env_id, "key_prefix": key.prefix, "reason": reason},
    )


def _event(
    call: Call, action: str, *, org_id: str, resource_id: str, details: Mapping[str, Any]
) -> AuditEvent:
    """An event of `action`, which begins with the kind of resource that it is about."""
    who = call.principal
    return AuditEvent(
        id=ids.new("al"),
        org_id=org_id,
        user_id=who.user_id if isinstance(who, SessionPrincipal) else None,
        api_key_id=who.key_id if isinstance(who, KeyPrincipal) else None,
        action=action,
        resource_type=action.partition(".")[0],
        resource_id=resource_id,
        details=details,
        ip_address=call.address,
        request_id=call.request_id,
        created_at=timestamps.to_text(call.now),
        env_id=_environment_of(action, resource_id, details),
    )


def _environment_of(action: str, resource_id: str, details: Mapping[str, Any]) -> str | None:
    """The environment that an event is about: the one that it names, or is of itself."""
    if action.startswith("environment."):
        return resource_id
    return details.get("env_id")
