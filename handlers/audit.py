"""The audit events of changes. An event is stored in the transaction of its change."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from hookstream_keys.context.principal import Anonymous, KeyPrincipal, Principal, SessionPrincipal
from hookstream_keys.domain import ids, timestamps
from hookstream_keys.domain.sources import Sources
from hookstream_keys.handlers.context import RequestContext
from hookstream_keys.runtime.refusals import Refused
from hookstream_keys.store import (
    AcceptedChange,
    ApiKey,
    AuditEvent,
    CancelledRotation,
    DeletionEvents,
    DescendantRevocation,
    Environment,
    Member,
    Organization,
    PendingDeletion,
    RestoreChange,
    RevocationEvents,
    RevokedKey,
    Rotation,
    Session,
    Store,
    User,
    audit_details,
    chain,
)

#: The revocation reason of keys of a deleted environment: RFC 5280, section 5.3.1.
END_OF_OPERATION = "cessationOfOperation"


def actor(context: RequestContext) -> str | None:
    """The id of the caller, a user or key; None for the operator at the command line."""
    return actor_of(context.principal)


def actor_of(principal: Principal) -> str | None:
    """The id of the principal, a user or key; None for others."""
    match principal:
        case SessionPrincipal(user_id=user_id):
            return user_id
        case KeyPrincipal(key_id=key_id):
            return key_id
        case _:
            return None


def organization_created(
    context: RequestContext, organization: Organization, owner: Member
) -> AuditEvent:
    """An organization was created, with its first member."""
    first = {"member_id": owner.id, "user_id": owner.user_id, "role": owner.role}
    return _of_organization(
        context, "organization.created", organization, **_called(organization), owner=first
    )


def organization_updated(
    context: RequestContext, organization: Organization, changes: Mapping[str, object]
) -> AuditEvent:
    """An organization's name or slug was changed: `changes` has the new values."""
    return _of_organization(
        context,
        "organization.updated",
        organization,
        changes=audit_details.changed(_called(organization), changes),
    )


def organization_deleted(context: RequestContext, organization: Organization) -> AuditEvent:
    """An organization was deleted, and its keys are revoked: `deletion_events` follow."""
    details = {**_called(organization), "reason": END_OF_OPERATION}
    return _of_organization(context, "organization.deleted", organization, **details)


def member_added(context: RequestContext, member: Member) -> AuditEvent:
    """A user became a member of an organization."""
    return _of_member(context, "member.added", member, role=member.role)


def member_updated(context: RequestContext, member: Member, role: str) -> AuditEvent:
    """A member was given another role."""
    changes = audit_details.changed({"role": member.role}, {"role": role})
    return _of_member(context, "member.updated", member, changes=changes)


def member_removed(context: RequestContext, member: Member) -> AuditEvent:
    """A user was removed from an organization."""
    return _of_member(context, "member.removed", member, role=member.role)


def environment_created(context: RequestContext, environment: Environment) -> AuditEvent:
    """An environment was created."""
    fields = audit_details.environment_fields(environment)
    return _of_environment(context, "environment.created", environment, **fields)


def environment_updated(
    context: RequestContext, environment: Environment, changes: Mapping[str, object]
) -> AuditEvent:
    """An environment's name or slug was changed: `changes` has the new values."""
    before = audit_details.environment_fields(environment)
    return _of_environment(
        context,
        "environment.updated",
        environment,
        changes=audit_details.changed(before, changes),
    )


def environment_deleted(context: RequestContext, environment: Environment) -> AuditEvent:
    """An environment was deleted, and its keys are revoked: `deletion_events` follow."""
    details = {**_called(environment), "reason": END_OF_OPERATION}
    return _of_environment(context, "environment.deleted", environment, **details)


def deletion(event: AuditEvent) -> PendingDeletion:
    """The deletion that the event of `organization_deleted` or `environment_deleted` begins."""
    return PendingDeletion(
        id=event.resource_id,
        kind="environment" if event.resource_type == "environment" else "organization",
        org_id=event.org_id,
        deleted_at=event.created_at,
        reason=event.details["reason"],
        user_id=event.user_id,
        api_key_id=event.api_key_id,
        ip_address=event.ip_address,
        request_id=event.request_id,
    )


def deletion_events(sources: Sources) -> DeletionEvents:
    """The events of pending deletions, by whom the deletion is; `sources` give time and id.

    A key's event is later than its revocation, which is that of the deletion: `revoked_at`.
    """

    def revoked(deletion: PendingDeletion, key: RevokedKey) -> AuditEvent:
        return _revoked_later(sources, deletion, key, revoked_at=deletion.deleted_at)

    def completed(deletion: PendingDeletion, keys_revoked: int) -> AuditEvent:
        action = f"{deletion.kind}.deletion_completed"
        details = {"keys_revoked": keys_revoked}
        return _later(sources, deletion, action, deletion.id, details)

    return DeletionEvents(revoked, completed)


def key_created(context: RequestContext, key: ApiKey, digest: bytes) -> AuditEvent:
    """A key was issued, with a secret of this SHA-256. Rules that restrict nothing are left out."""
    return _of_key(
        context,
        "api_key.created",
        key,
        key_prefix=key.prefix,
        **audit_details.fields_of_new(key),
        created_by=key.created_by,
        secret_fingerprint=audit_details.fingerprint(digest),
    )


def key_updated(context: RequestContext, key: ApiKey, changes: Mapping[str, Any]) -> AuditEvent:
    """A key was given other rules: `changes` has their new values, as fields of the record."""
    before = audit_details.key_fields(key)
    after = audit_details.key_fields(dataclasses.replace(key, **changes))
    details: dict[str, Any] = {"changes": audit_details.changed(before, after)}
    if "expires_at" in changes:
        # Also when unchanged: it then applies to a pending secret, too.
        details["resets_pending_expiry"] = True
    return _of_key(context, "api_key.updated", key, **details)


def key_revoked(context: RequestContext, key: ApiKey, reason: str) -> AuditEvent:
    """A key was revoked, for a reason of RFC 5280."""
    return _of_key(context, "api_key.revoked", key, key_prefix=key.prefix, reason=reason)


def key_rotated(
    context: RequestContext, key: ApiKey, rotation: Rotation, digest: bytes
) -> AuditEvent:
    """A key was given a new secret, of this SHA-256, which is pending."""
    after = {"expires_at": rotation.expires_at} if rotation.sets_expiry else {}
    return _of_rotation(
        context,
        "api_key.rotated",
        key,
        rotation,
        grace_period_seconds=rotation.grace_period_seconds,
        secret_fingerprint=audit_details.fingerprint(digest),
        sets_expiry=rotation.sets_expiry,
        expires_at=rotation.expires_at,
        restricted_by=rotation.restricted_by,
        changes=audit_details.changed({"expires_at": key.expires_at}, after),
    )


def rotation_activated(
    context: RequestContext, key: ApiKey, rotation: Rotation, after: ApiKey, grace_ends_at: str
) -> AuditEvent:
    """A new secret was used for the first time; the old one is accepted until `grace_ends_at`.

    `after` is the key as it is then.
    """
    was, now = (
        {
            "key_prefix": each.prefix,
            "expires_at": each.expires_at,
            "restricted_by": each.restricted_by,
        }
        for each in (key, after)
    )
    return _of_rotation(
        context,
        "api_key.rotation_activated",
        key,
        rotation,
        grace_ends_at=grace_ends_at,
        changes=audit_details.changed(was, now),
    )


def rotation_cancelled(context: RequestContext, key: ApiKey, rotation: Rotation) -> AuditEvent:
    """A pending secret was cancelled."""
    return _of_rotation(context, "api_key.rotation_cancelled", key, rotation)


def revocation_events(sources: Sources) -> RevocationEvents:
    """The events of a revocation of descendants, by whom it is; `sources` give time and id."""

    def revoked(revocation: DescendantRevocation, key: RevokedKey) -> AuditEvent:
        return _revoked_later(sources, revocation, key, revoked_with=revocation.cause)

    def cancelled(revocation: DescendantRevocation, rotation: CancelledRotation) -> AuditEvent:
        details = {
            "env_id": rotation.env_id,
            "rotation_id": rotation.id,
            "key_prefix": rotation.prefix,
            "cancelled_with": revocation.cause,
        }
        action = "api_key.rotation_cancelled"
        return _later(sources, revocation, action, rotation.key_id, details)

    return RevocationEvents(revoked, cancelled)


def user_created(context: RequestContext, user: User, org_id: str) -> AuditEvent:
    """A user signed up, or was created by the operator, whose organization is their own id."""
    details = {"email": user.email}
    return _event(context, "user.created", org_id=org_id, resource_id=user.id, details=details)


async def password_set(context: RequestContext, user: User) -> AuditEvent:
    """The operator gave a user another password."""
    # Without an organization it is recorded by their own id.
    org_id = await context.store.first_organization_of(user.id) or user.id
    return _event(context, "user.password_set", org_id=org_id, resource_id=user.id, details={})


def session_created(context: RequestContext, session: Session) -> AuditEvent:
    """A user signed in."""
    return _of_session(context, "session.created", session, expires_at=session.expires_at)


def session_deleted(
    context: RequestContext, session: Session, reason: str | None = None
) -> AuditEvent:
    """A user signed out, or the session was ended for another reason."""
    details = {} if reason is None else {"reason": reason}
    return _of_session(context, "session.deleted", session, **details)


async def refused(store: Store, sources: Sources, attempts: Refused) -> AuditEvent | None:
    """An attempt to sign in as a user, or to use a key, was refused.

    `sources` give the present moment and the event's id. The caller was not authenticated, so the
    event names no actor. It is recorded in the user's first organization. None where the user or
    key is gone.
    """
    context = RequestContext(
        store,
        Anonymous(),
        attempts.request_id,
        attempts.address,
        sources.now(),
        sources.random(),
    )
    details = {
        "reason": attempts.reason,
        "count": attempts.times,
        "first_at": attempts.first_at,
        "last_at": attempts.last_at,
    }
    if attempts.kind == "api_key":
        key = await store.find_key_by_id(attempts.subject)
        if key is None:
            return None
        prefix = attempts.key_prefix or key.prefix
        return _of_key(context, "api_key.refused", key, key_prefix=prefix, **details)
    user = await store.find_user(attempts.subject)
    if user is None:
        return None
    return _event(
        context,
        "session.refused",
        org_id=await store.first_organization_of(user.id) or user.id,
        resource_id=user.id,
        details=details,
    )


def log_pruned(context: RequestContext, details: Mapping[str, Any]) -> AuditEvent:
    """The oldest rows of the log were pruned; it belongs to no organization."""
    return _event(context, chain.PRUNED, org_id="", resource_id="audit_log", details=details)


def chains_sealed(store: Store, sources: Sources, details: Mapping[str, Any]) -> AuditEvent:
    """The organizations' chains were sealed; it belongs to no organization.

    `sources` give the present moment and the event's id.
    """
    random = sources.random()
    request_id = ids.new("req", random)
    context = RequestContext(store, Anonymous(), request_id, None, sources.now(), random)
    return _event(context, chain.SEALED, org_id="", resource_id="audit_log", details=details)


def store_moved(context: RequestContext, details: Mapping[str, Any]) -> AuditEvent:
    """The data was moved from another database; it belongs to no organization."""
    return _event(context, chain.MOVED, org_id="", resource_id="audit_log", details=details)


def restored(context: RequestContext, change: RestoreChange) -> AuditEvent:
    """A restore changed one resource."""
    return _event(
        context,
        change.action,
        org_id=change.org_id,
        resource_id=change.resource_id,
        details=change.details,
    )


def accepted(context: RequestContext, change: AcceptedChange) -> AuditEvent:
    """Another program changed a member or an organization, and the operator accepts that."""
    return _event(
        context,
        change.action,
        org_id=change.org_id,
        resource_id=change.resource_id,
        details=change.details,
    )


def _called(what: Organization | Environment) -> dict[str, str]:
    return {"name": what.name, "slug": what.slug}


def _of_organization(
    context: RequestContext, action: str, organization: Organization, **details: Any
) -> AuditEvent:
    return _event(
        context, action, org_id=organization.id, resource_id=organization.id, details=details
    )


def _of_member(context: RequestContext, action: str, member: Member, **details: Any) -> AuditEvent:
    details = {"user_id": member.user_id, **details}
    return _event(context, action, org_id=member.org_id, resource_id=member.id, details=details)


def _of_environment(
    context: RequestContext, action: str, environment: Environment, **details: Any
) -> AuditEvent:
    return _event(
        context, action, org_id=environment.org_id, resource_id=environment.id, details=details
    )


def _of_key(context: RequestContext, action: str, key: ApiKey, **details: Any) -> AuditEvent:
    details = {"env_id": key.env_id, **details}
    return _event(context, action, org_id=key.org_id, resource_id=key.id, details=details)


def _of_rotation(
    context: RequestContext, action: str, key: ApiKey, rotation: Rotation, **details: Any
) -> AuditEvent:
    names = {"rotation_id": rotation.id, "key_prefix": rotation.prefix}
    return _of_key(context, action, key, **names, **details)


def _of_session(
    context: RequestContext, action: str, session: Session, **details: Any
) -> AuditEvent:
    return _event(
        context,
        action,
        # A user without an organization is recorded by their own id.
        org_id=session.org_id or session.user_id,
        resource_id=session.id,
        details=details,
    )


def _event(
    context: RequestContext,
    action: str,
    *,
    org_id: str,
    resource_id: str,
    details: Mapping[str, Any],
) -> AuditEvent:
    """An event of `action`, whose first part is the kind of resource."""
    who = context.principal
    return AuditEvent(
        id=ids.new("al", context.random),
        org_id=org_id,
        user_id=who.user_id if isinstance(who, SessionPrincipal) else None,
        api_key_id=who.key_id if isinstance(who, KeyPrincipal) else None,
        action=action,
        resource_type=action.partition(".")[0],
        resource_id=resource_id,
        details=details,
        ip_address=context.address,
        request_id=context.request_id,
        created_at=timestamps.to_text(context.now),
        env_id=_environment_of(action, resource_id, details),
    )


def _revoked_later(
    sources: Sources,
    begun: PendingDeletion | DescendantRevocation,
    key: RevokedKey,
    **details: str,
) -> AuditEvent:
    """The event of a key that is revoked by work that a request has begun, for its reason."""
    told = {"env_id": key.env_id, "key_prefix": key.prefix, "reason": begun.reason, **details}
    return _later(sources, begun, "api_key.revoked", key.id, told)


def _later(
    sources: Sources,
    begun: PendingDeletion | DescendantRevocation,
    action: str,
    resource_id: str,
    details: Mapping[str, Any],
) -> AuditEvent:
    """An event of work that a request has begun: by its caller, at the present moment."""
    return AuditEvent(
        id=ids.new("al", sources.random()),
        org_id=begun.org_id,
        user_id=begun.user_id,
        api_key_id=begun.api_key_id,
        action=action,
        resource_type=action.partition(".")[0],
        resource_id=resource_id,
        details=details,
        ip_address=begun.ip_address,
        request_id=begun.request_id,
        created_at=timestamps.to_text(sources.now()),
        env_id=_environment_of(action, resource_id, details),
    )


def _environment_of(action: str, resource_id: str, details: Mapping[str, Any]) -> str | None:
    """The environment of an event: the one that it names, or the resource itself."""
    if action.startswith("environment."):
        return resource_id
    return details.get("env_id")
