"""Records to store and to look for; every call makes new ones."""

import secrets
from typing import Any

from hookstream_keys import ids, keys, timestamps
from hookstream_keys.store import (
    ApiKey,
    AuditEvent,
    Environment,
    Member,
    Organization,
    Tenant,
    User,
)
from hookstream_keys.verification import Use

NOON = "2026-11-24T12:00:00.000Z"


def key_of(environment: Environment, **changes: Any) -> ApiKey:
    values: dict[str, Any] = {
        "id": ids.new("ak"),
        "org_id": environment.org_id,
        "env_id": environment.id,
        "name": "Production key",
        "prefix": f"hs_{environment.mode}_{secrets.token_hex(2)}",
        "scopes": "*",
        "created_by": None,
        "created_at": NOON,
    }
    return ApiKey(**(values | changes))


def event_of(key: ApiKey, **changes: Any) -> AuditEvent:
    values: dict[str, Any] = {
        "id": ids.new("al"),
        "org_id": key.org_id,
        "user_id": None,
        "api_key_id": None,
        "action": "api_key.created",
        "resource_type": "api_key",
        "resource_id": key.id,
        "details": {"name": key.name},
        "ip_address": "203.0.113.7",
        "request_id": ids.new("req"),
        "created_at": NOON,
    }
    return AuditEvent(**(values | changes))


def tenant() -> Tenant:
    user = User(
        id=ids.new("usr"),
        name="owner",
        email=f"{secrets.token_hex(4)}@example.com",
        account_id=ids.new("acc"),
        password_hash="salt:hash",
        created_at=NOON,
    )
    organization = Organization(ids.new("org"), "Example", secrets.token_hex(4), NOON)
    environment = Environment(
        ids.new("env"), organization.id, "Production", "production", "live", NOON
    )
    key = key_of(environment, created_by=user.id)
    return Tenant(
        user=user,
        organization=organization,
        member=Member(ids.new("mem"), organization.id, user.id, "owner", NOON),
        environment=environment,
        key=key,
        key_digest=keys.generate("live").digest,
        events=(event_of(key), event_of(key, action="organization.created")),
    )


#: A key wanted for nothing in particular, now.
USE = Use(now=timestamps.to_text(timestamps.now()))
