"""Who belongs to an organization, and as what."""

from typing import Any, Literal

from hookstream_keys import ids, timestamps
from hookstream_keys.call import Answer, Call, WriteCall
from hookstream_keys.errors import (
    Conflict,
    Detail,
    MemberNotFound,
    MemberNotVerified,
    UserNotFound,
)
from hookstream_keys.handlers import access, audit, descendants, pages
from hookstream_keys.store import LastOwner, Member, ReferenceGone, Taken

#: What becomes of the keys that a member made and their role does not cover any more.
OnKeys = Literal["keep", "revoke"]


def list_members(call: Call, id: str, limit: int, cursor: str | None = None) -> Answer:
    """Show a page of the members, newest first."""
    organization = access.organization_to(call, "members:read", id)
    return pages.answer(
        "members",
        limit,
        cursor,
        lambda page: call.store.list_members(organization.id, page),
        _views,
    )


def add_member(call: WriteCall, id: str, body: dict[str, Any]) -> Answer:
    """Make a user a member, by an email address that is verified to be theirs."""
    organization = access.organization_to(call, "members:create", id)
    access.require_may_make(call, body["role"], organization.id)
    user = call.store.find_user_by_email(body["email"].lower())
    if user is None:
        raise UserNotFound
    if not user.email_verified and not call.service.adds_unverified_members:
        raise MemberNotVerified
    member = Member(
        id=ids.new("mem"),
        org_id=organization.id,
        user_id=user.id,
        role=body["role"],
        created_at=timestamps.to_text(call.now),
        name=user.name,
        email=user.email,
    )
    answer: Answer = ({"member": _view(member)}, 201)
    try:
        call.store.add_member(member, audit.member_added(call, member), call.receipt(answer))
    except Taken:
        raise Conflict(
            "The user is a member already.", details=[Detail("body/email", "is a member's")]
        ) from None
    except ReferenceGone:
        raise UserNotFound from None
    return answer


def get_member(call: Call, id: str, member_id: str) -> Answer:
    """Show one member."""
    return {"member": _view(access.member_to(call, "members:read", id, member_id))}, 200


def update_member(
    call: WriteCall, id: str, member_id: str, body: dict[str, Any], api_keys: OnKeys
) -> Answer:
    """Give a member another role, and say which keys that they made it does not cover."""
    member = access.member_to(call, "members:update", id, member_id)
    role = body["role"]
    access.require_may_make(call, role, member.org_id)
    keys = descendants.not_covered(call, member, role)
    revocation = keys.revocation(call, "privilegeWithdrawn") if api_keys == "revoke" else None
    event = audit.member_updated(call, member, role)
    try:
        done = call.store.update_member(member.id, role, event, revocation)
    except LastOwner:
        raise _last_owner() from None
    if not done:
        raise MemberNotFound
    counts = keys.view(call, revoked=revocation is not None)
    return {"member": {**_view(member), "role": role}, "api_keys": counts}, 200


def remove_member(call: WriteCall, id: str, member_id: str, api_keys: OnKeys) -> Answer:
    """Take a member's place in the organization away, or give up one's own."""
    member = access.member_to(call, "members:delete", id, member_id)
    keys = descendants.not_covered(call, member, None)
    revocation = keys.revocation(call, "affiliationChanged") if api_keys == "revoke" else None
    try:
        done = call.store.remove_member(member.id, audit.member_removed(call, member), revocation)
    except LastOwner:
        raise _last_owner() from None
    if not done:
        raise MemberNotFound
    counts = keys.view(call, revoked=revocation is not None)
    return {"member": _view(member), "api_keys": counts}, 200


def _last_owner() -> Conflict:
    return Conflict("The organization would be left without an owner; make another one first.")


def _views(found: list[Member]) -> list[dict[str, Any]]:
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
