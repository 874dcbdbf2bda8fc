"""Records to store and to look for; every call makes new ones."""

import dataclasses
import secrets
from datetime import datetime
from typing import Any, Literal

from hookstream_keys.auth.verification import Use
from hookstream_keys.context.request import Request
from hookstream_keys.domain import ids, keys, timestamps
from hookstream_keys.domain.sources import Sources
from hookstream_keys.handlers import audit
from hookstream_keys.store import (
    ApiKey,
    AuditEvent,
    Credential,
    DeletionEvents,
    Environment,
    Member,
    Organization,
    PendingDeletion,
    Tenancy,
    Tenant,
    User,
)

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
        "resource_type": changes.get("action", "api_key").partition(".")[0],
        "resource_id": key.id,
        "details": {"name": key.name},
        "ip_address": "203.0.113.7",
        "request_id": ids.new("req"),
        "created_at": NOON,
    }
    return AuditEvent(**(values | changes))


def user(**changes: Any) -> User:
    values: dict[str, Any] = {
        "id": ids.new("usr"),
        "name": "owner",
        "email": f"{secrets.token_hex(4)}@example.com",
        "created_at": NOON,
        "updated_at": NOON,
    }
    return User(**(values | changes))


def organization(**changes: Any) -> Organization:
    values: dict[str, Any] = {
        "id": ids.new("org"),
        "name": "Example",
        "slug": secrets.token_hex(4),
        "created_at": NOON,
    }
    return Organization(**(values | changes))


def member(of: Organization, who: User, role: str = "owner", **changes: Any) -> Member:
    values: dict[str, Any] = {"id": ids.new("mem"), "created_at": NOON}
    values |= {"org_id": of.id, "user_id": who.id, "role": role}
    return Member(name=who.name, email=who.email, **(values | changes))


def environment(of: Organization, **changes: Any) -> Environment:
    values: dict[str, Any] = {
        "id": ids.new("env"),
        "org_id": of.id,
        "name": "Production",
        "slug": "production",
        "mode": "live",
        "created_at": NOON,
    }
    return Environment(**(values | changes))


def tenant() -> Tenant:
    owner, home = user(), organization()
    made = environment(home)
    key = key_of(made, created_by=owner.id)
    return Tenant(
        user=owner,
        credential=Credential(ids.new("acc"), owner.id, "salt:hash", NOON),
        tenancy=Tenancy(
            organization=home,
            member=member(home, owner),
            environment=made,
            events=(event_of(key, action="organization.created"),),
        ),
        key=key,
        key_digest=keys.generate("live").digest,
        key_event=event_of(key),
    )


def events(of: Tenant) -> tuple[AuditEvent, ...]:
    """Everything that the audit log has of a first tenant, in its order."""
    return (*of.tenancy.events, of.key_event)


def deletion_of(
    what: Organization | Environment, deleted_at: str = NOON, **changes: Any
) -> tuple[PendingDeletion, AuditEvent, DeletionEvents]:
    """The deletion by the first user, as the store takes one."""
    kind: Literal["environment", "organization"] = "organization"
    if isinstance(what, Environment):
        kind = "environment"
    event = AuditEvent(
        id=ids.new("al"),
        org_id=what.org_id if isinstance(what, Environment) else what.id,
        user_id="usr_who_deletes",
        api_key_id=None,
        action=f"{kind}.deleted",
        resource_type=kind,
        resource_id=what.id,
        details={"reason": "cessationOfOperation"},
        ip_address="192.0.2.1",
        request_id="req_of_deletion",
        created_at=deleted_at,
    )
    deletion = dataclasses.replace(audit.deletion(event), **changes)
    return deletion, event, audit.deletion_events(Sources())


def request(headers: dict[bytes, bytes] | None = None, **changes: Any) -> Request:
    values: dict[str, Any] = {
        "id": ids.new("req"),
        "moment": datetime.fromisoformat(NOON),
        "now": NOON,
        "address": "203.0.113.7",
        "scheme": "http",
        "headers": headers or {},
    }
    return Request(**(values | changes))


#: A key wanted for nothing in particular, now.
USE = Use(now=timestamps.to_text(timestamps.now()))
