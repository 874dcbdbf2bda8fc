"""Members of organizations and their roles."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from hookstream_keys.context.principal import SessionPrincipal
from hookstream_keys.contract import types
from hookstream_keys.domain import ids, timestamps
from hookstream_keys.domain.errors import (
    Conflict,
    Detail,
    MemberNotFound,
    MemberNotVerified,
    UserNotFound,
)
from hookstream_keys.handlers import access, audit, descendants, pagination
from hookstream_keys.handlers.context import Answer, RequestContext, Unfinished, WriteContext
from hookstream_keys.store import (
    AuditEvent,
    ForeignKeyViolation,
    LastOwner,
    Member,
    RevocationProgress,
    RevocationWork,
    UniqueViolation,
)

#: What happens to a member's keys that their role no longer covers.
OnKeys = Literal["keep", "revoke"]


async def list_members(
    context: RequestContext, id: str, limit: int, cursor: str | None = None
) -> Answer:
    """Show a page of the members, newest first."""
    organization = await access.authorize_organization(context, "members:read", id)
    return await pagination.answer(
        "members",
        limit,
        cursor,
        lambda page: context.store.list_members(organization.id, page),
        _views,
    )


async def add_member(context: WriteContext, id: str, body: types.AddMemberRequest) -> Answer:
    """Make a user a member, by their verified email address."""
    organization = await access.authorize_organization(context, "members:create", id)
    await access.require_may_make(context, body["role"], organization.id)
    user = await context.store.find_user_by_email(body["email"].lower())
    if user is None:
        raise UserNotFound
    if not user.email_verified and not context.dependencies.adds_unverified_members:
        raise MemberNotVerified
    member = Member(
        id=ids.new("mem", context.random),
        org_id=organization.id,
        user_id=user.id,
        role=body["role"],
        created_at=timestamps.to_text(context.now),
        name=user.name,
        email=user.email,
    )
    answer: Answer = ({"member": _view(member)}, 201)
    event = audit.member_added(context, member)
    record = context.idempotency_record(answer)
    try:
        await context.store.add_member(member, event, record, context.dependencies.quotas)
    except UniqueViolation:
        raise Conflict(
            "The user is a member already.", details=[Detail("body/email", "is a member's")]
        ) from None
    except ForeignKeyViolation:
        raise UserNotFound from None
    return answer


async def get_member(context: RequestContext, id: str, member_id: str) -> Answer:
    """Show one member."""
    return {
        "member": _view(await access.authorize_member(context, "members:read", id, member_id))
    }, 200


async def update_member(
    context: WriteContext,
    id: str,
    member_id: str,
    body: types.UpdateMemberRequest,
    api_keys: OnKeys,
) -> Answer:
    """Change a member's role; the response counts their keys that it does not cover."""
    member = await access.authorize_member(context, "members:update", id, member_id)
    role = body["role"]
    await access.require_may_make(context, role, member.org_id)
    event = audit.member_updated(context, member, role)
    revocation = None
    if api_keys == "revoke":
        revocation = await _revocation(context, member, event, "privilegeWithdrawn", role)
    with _owner_required():
        progress = await context.store.update_member(
            member.org_id, member.id, role, event, revocation
        )
    return _after(context, member, role, revocation, progress)


async def remove_member(context: WriteContext, id: str, member_id: str, api_keys: OnKeys) -> Answer:
    """Remove a member, who may be the caller."""
    try:
        member = await access.authorize_member(context, "members:delete", id, member_id)
    except MemberNotFound:
        return await _when_gone(context, id, member_id)
    event = audit.member_removed(context, member)
    revocation = None
    if api_keys == "revoke":
        revocation = await _revocation(context, member, event, "affiliationChanged", None)
    with _owner_required():
        progress = await context.store.remove_member(member.org_id, member.id, event, revocation)
    return _after(context, member, None, revocation, progress)


async def _when_gone(context: WriteContext, org_id: str, member_id: str) -> Answer:
    """Raise MemberNotFound, once the keys that were to be revoked with the member are revoked.

    An earlier request may have removed the member, and failed before it had revoked all keys.
    """
    revocation_id = await context.store.find_pending_revocation(org_id, member_id)
    if revocation_id is None:
        raise MemberNotFound

    async def answer(_: int) -> Answer:
        raise MemberNotFound

    begun = RevocationProgress(0, is_complete=False)
    return descendants.when_revoked(context, revocation_id, begun, answer), 404


async def _revocation(
    context: WriteContext, member: Member, event: AuditEvent, reason: str, role: str | None
) -> RevocationWork:
    """The revocation of the member's keys that their new `role` does not cover; None: of all.

    Members may revoke their own keys, whatever their role. Raises as `access.require`.
    """
    principal = context.principal
    if not (isinstance(principal, SessionPrincipal) and principal.user_id == member.user_id):
        await access.require(context, "api-keys:revoke", member.org_id)
    return descendants.revocation_by(
        context.dependencies.sources, event, reason, member.user_id, role
    )


def _after(
    context: WriteContext,
    member: Member,
    role: str | None,
    revocation: RevocationWork | None,
    progress: RevocationProgress | None,
) -> Answer:
    """The member with the keys that their new `role` does not cover, when these are revoked.

    Raises MemberNotFound when there was no change.
    """
    if progress is None:
        raise MemberNotFound

    async def answer(revoked: int) -> Answer:
        shown = _view(member) if role is None else {**_view(member), "role": role}
        of_keys = await descendants.view(context, member, role, revoked if revocation else None)
        return {"member": shown, "api_keys": of_keys}, 200

    if revocation is None:
        return Unfinished(lambda: answer(0), writes=False), 200
    return descendants.when_revoked(context, revocation.revocation.id, progress, answer), 200


@contextmanager
def _owner_required() -> Iterator[None]:
    """Raise Conflict where the organization would be left without an owner."""
    try:
        yield
    except LastOwner:
        raise Conflict(
            "The organization would be left without an owner; make another one first."
        ) from None


async def _views(found: list[Member]) -> list[dict[str, Any]]:
    return [_view(each) for each in found]


def _view(member: Member) -> dict[str, Any]:
    return {
        "id": member.id,
        "org_id": member.org_id,
        "user_id": member.user_id,
        "name": member.name,
        "email": member.email,
        "role": member.role,
        "created_at": member.created_at,
    }
