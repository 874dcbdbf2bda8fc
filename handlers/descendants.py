"""The descendants of a key or member: the keys that they made, those that these made, and so on.

They are revoked with a key that has leaked, or with a member's role or membership.
"""

from hookstream_keys import roles, timestamps
from hookstream_keys.call import Call
from hookstream_keys.handlers import access, audit
from hookstream_keys.principal import SessionPrincipal
from hookstream_keys.records import record
from hookstream_keys.store import ApiKey, DescendantRevocation, Member


def revocation_of_descendants(call: Call, key: ApiKey, reason: str) -> DescendantRevocation:
    """The revocation of all descendants of a key, for a reason of RFC 5280."""
    return _revocation(call, key.id, key.org_id, reason, cause=key.id)


@record
class NotCovered:
    """What a member has of keys whose role is not covered by the member's own after a change."""

    member: Member
    #: The roles of keys that are not covered, as far as they occur.
    roles: frozenset[str | None]
    #: How many descendants have one of these roles and are not revoked.
    made: int

    def revocation(self, call: Call, reason: str) -> DescendantRevocation:
        """Their revocation, for a reason of RFC 5280. Raises as `access.require`.

        Members may revoke their own keys, whatever their role.
        """
        member = self.member
        leaving = (
            isinstance(call.principal, SessionPrincipal)
            and call.principal.user_id == member.user_id
        )
        if not leaving:
            access.require(call, "api-keys:revoke", member.org_id)
        return _revocation(call, member.user_id, member.org_id, reason, member.id, self.roles)

    def view(self, call: Call, *, revoked: bool) -> dict[str, int]:
        """How many there are after the change: `MemberKeys` of the document."""
        rotated = _rotated(call, self.member)
        return {
            "not_covered": self.made,
            "revoked": self.made if revoked else 0,
            "rotated": sum(count for role, count in rotated.items() if role in self.roles),
        }


def not_covered(call: Call, member: Member, role: str | None) -> NotCovered:
    """The keys beyond a member who will have `role`, or None for no membership."""
    made = call.store.count_descendants(member.user_id, member.org_id)
    beyond = frozenset(
        of_key
        for of_key in made.keys() | _rotated(call, member).keys()
        if role is None or not roles.cover(role, of_key)
    )
    return NotCovered(member, beyond, sum(made.get(of_key, 0) for of_key in beyond))


def _rotated(call: Call, member: Member) -> dict[str | None, int]:
    now = timestamps.to_text(call.now)
    return call.store.count_rotated(member.user_id, member.org_id, now)


def _revocation(
    call: Call,
    made_by: str,
    org_id: str,
    reason: str,
    cause: str,
    of_roles: frozenset[str | None] | None = None,
) -> DescendantRevocation:
    return DescendantRevocation(
        made_by=made_by,
        org_id=org_id,
        revoked_at=timestamps.to_text(call.now),
        reason=reason,
        event=audit.revoked_with(call, reason, cause),
        cancelled=audit.cancelled_with(call, cause),
        roles=of_roles,
    )
