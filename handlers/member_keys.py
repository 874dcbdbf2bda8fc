"""The keys that a member made, when their role is lowered or their membership ends."""

from hookstream_keys import roles, timestamps
from hookstream_keys.call import Call
from hookstream_keys.handlers import access, audit
from hookstream_keys.principal import SessionPrincipal
from hookstream_keys.records import record
from hookstream_keys.store import DescendantRevocation, Member


@record
class KeysBeyond:
    """The keys that a member made, or that these made, whose role the member's does not cover."""

    member: Member
    roles: frozenset[str | None]
    count: int

    def revocation(self, call: Call, reason: str) -> DescendantRevocation:
        """Their revocation, for a reason of RFC 5280. Raises as `access.require`.

        Members may revoke their own keys, whatever their role.
        """
        leaving = (
            isinstance(call.principal, SessionPrincipal)
            and call.principal.user_id == self.member.user_id
        )
        if not leaving:
            access.require(call, "api-keys:revoke", self.member.org_id)
        return DescendantRevocation(
            made_by=self.member.user_id,
            org_id=self.member.org_id,
            revoked_at=timestamps.to_text(call.now),
            reason=reason,
            event=audit.revoked_with(call, reason, self.member.id),
            roles=self.roles,
        )

    def view(self, *, revoked: bool) -> dict[str, int]:
        """How many there were, and how many of them were revoked: `MemberKeys` of the document."""
        return {"not_covered": self.count, "revoked": self.count if revoked else 0}


def beyond(call: Call, member: Member, role: str | None) -> KeysBeyond:
    """The keys beyond a member who will have `role`, or None for no membership."""
    made = call.store.count_descendants(member.user_id, member.org_id)
    found = {
        of_key: count
        for of_key, count in made.items()
        if role is None or not roles.cover(role, of_key)
    }
    return KeysBeyond(member, frozenset(found), sum(found.values()))
