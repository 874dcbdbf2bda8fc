"""The descendants of a key or member: the keys that they created, directly or indirectly.

They are revoked with a key that has leaked, or with a member's role or membership.
"""

from hookstream_keys.context.principal import SessionPrincipal
from hookstream_keys.contract import roles
from hookstream_keys.domain import timestamps
from hookstream_keys.domain.records import record
from hookstream_keys.handlers import access, audit
from hookstream_keys.handlers.context import RequestContext
from hookstream_keys.store import ApiKey, DescendantRevocation, Member


def revocation_of_descendants(
    context: RequestContext, key: ApiKey, reason: str
) -> DescendantRevocation:
    """The revocation of all descendants of a key, for a reason of RFC 5280."""
    return _revocation(context, key.id, key.org_id, reason, cause=key.id)


@record
class NotCovered:
    """The keys beyond a member's role after a change: those whose role it does not cover."""

    member: Member
    #: The roles of keys that are not covered.
    roles: frozenset[str | None]
    #: How many descendants have one of these roles and are not revoked.
    made: int

    def revocation(self, context: RequestContext, reason: str) -> DescendantRevocation:
        """Their revocation, for a reason of RFC 5280. Raises as `access.require`.

        Members may revoke their own keys, whatever their role.
        """
        member = self.member
        leaving = (
            isinstance(context.principal, SessionPrincipal)
            and context.principal.user_id == member.user_id
        )
        if not leaving:
            access.require(context, "api-keys:revoke", member.org_id)
        return _revocation(context, member.user_id, member.org_id, reason, member.id, self.roles)

    def view(self, context: RequestContext, *, revoked: bool) -> dict[str, int]:
        """How many there are after the change: `MemberKeys` of the document."""
        rotated = _rotated(context, self.member)
        return {
            "not_covered": self.made,
            "revoked": self.made if revoked else 0,
            "rotated": sum(count for role, count in rotated.items() if role in self.roles),
        }


def not_covered(context: RequestContext, member: Member, role: str | None) -> NotCovered:
    """The keys beyond a member who will have `role`, or None for no membership."""
    made = context.store.count_descendants(member.user_id, member.org_id)
    beyond = frozenset(
        of_key
        for of_key in made.keys() | _rotated(context, member).keys()
        if role is None or not roles.cover(role, of_key)
    )
    return NotCovered(member, beyond, sum(made.get(of_key, 0) for of_key in beyond))


def _rotated(context: RequestContext, member: Member) -> dict[str | None, int]:
    now = timestamps.to_text(context.now)
    return context.store.count_rotated(member.user_id, member.org_id, now)


def _revocation(
    context: RequestContext,
    made_by: str,
    org_id: str,
    reason: str,
    cause: str,
    of_roles: frozenset[str | None] | None = None,
) -> DescendantRevocation:
    return DescendantRevocation(
        made_by=made_by,
        org_id=org_id,
        revoked_at=timestamps.to_text(context.now),
        reason=reason,
        event=audit.revoked_with(context, reason, cause),
        cancelled=audit.cancelled_with(context, cause),
        roles=of_roles,
    )
