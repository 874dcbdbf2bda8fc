"""Replaying events about organizations, their members and environments."""

from hookstream_keys.store import audit_details
from hookstream_keys.store.event_forms import Event
from hookstream_keys.store.expected_state import Presence
from hookstream_keys.store.replay_rows import RowEvents, begin

#: The recorded fields of an organization.
_NAMES = ("name", "slug")


class TenantEvents(RowEvents):
    """Events about organizations, members and environments."""

    # Organizations

    def organization_created(self, event: Event) -> None:
        """The organization, and its first member."""
        organization = begin("organization", event.resource_id, event)
        organization.tell(event.seq, event.fields(*_NAMES))
        first = event.details.get("owner")
        if not isinstance(first, dict):
            # An earlier version did not record who the first member is, but when they became one.
            organization.tell(event.seq, {"first_member_at": event.created_at})
        self._state.put(organization)
        if isinstance(first, dict) and isinstance(first.get("member_id"), str):
            member = begin("member", first["member_id"], event)
            member.tell(event.seq, {"user_id": first.get("user_id"), "role": first.get("role")})
            self._state.put(member)

    def organization_updated(self, event: Event) -> None:
        """An organization's name or slug."""
        organization = self.find("organization", event.resource_id, event)
        organization.tell(event.seq, event.new_values())
        self._state.put(organization)

    def organization_deleted(self, event: Event) -> None:
        """The organization was deleted, with all its resources: at once, or in batches."""
        if not self._deletion_begins("organization", event):
            self.remove("organization", event)
            return
        organization = self.find("organization", event.resource_id, event)
        # From now on each of its rows may be missing.
        organization.presence, organization.since = Presence.ENDED, event.seq
        organization.tell(event.seq, {"slug": audit_details.deleted_slug(event.resource_id)})
        self._state.put(organization)

    def organization_deletion_completed(self, event: Event) -> None:
        """The last row of the organization was deleted."""
        self.remove("organization", event)
        self.remove("pending_deletion", event)

    def organization_restored(self, event: Event) -> None:
        """The organization exists; other events record what the restore did to its rows."""
        organization = self.find("organization", event.resource_id, event)
        organization.presence, organization.since = Presence.LIVES, event.seq
        if "sealed" not in event.details and event.details.get("compared") is not False:
            # An earlier version's restore: what it did to the organization's rows is unknown.
            organization.tell(event.seq, {"unknown_until": event.created_at})
            self._untold.add(event.request_id)
        else:
            organization.tell(event.seq, event.fields(*_NAMES) | event.new_values())
        self._state.put(organization)

    # Members

    def member_added(self, event: Event) -> None:
        """A member, new or back."""
        member = begin("member", event.resource_id, event)
        member.tell(event.seq, event.fields("user_id", "role"))
        self._state.put(member)

    def member_updated(self, event: Event) -> None:
        """A member's role; an earlier version recorded it beside the old one."""
        member = self.find("member", event.resource_id, event)
        member.tell(event.seq, event.fields("user_id", "role") | event.new_values())
        self._state.put(member)

    def member_removed(self, event: Event) -> None:
        """A member was removed."""
        self.remove("member", event)

    # Environments

    def environment_created(self, event: Event) -> None:
        """An environment."""
        environment = begin("environment", event.resource_id, event)
        environment.tell(event.seq, {"created_at": event.created_at, "deleted_at": None})
        environment.tell(event.seq, event.all_fields())
        self._state.put(environment)

    def environment_updated(self, event: Event) -> None:
        """An environment's name or slug."""
        environment = self.find("environment", event.resource_id, event)
        environment.tell(event.seq, event.new_values())
        self._state.put(environment)

    def environment_deleted(self, event: Event) -> None:
        """A deleted environment keeps its row for a while, under a slug that no other can have."""
        environment = self.find("environment", event.resource_id, event)
        environment.presence, environment.since = Presence.ENDED, event.seq
        slug = audit_details.deleted_slug(event.resource_id)
        environment.tell(event.seq, {"deleted_at": event.created_at, "slug": slug})
        self._state.put(environment)
        self._deletion_begins("environment", event)

    def environment_deletion_completed(self, event: Event) -> None:
        """The last key of the environment was revoked."""
        self.remove("pending_deletion", event)

    def environment_restored(self, event: Event) -> None:
        """An environment that a restore changed or restored."""
        self.restore("environment", event, ended_by="deleted_at")

    def environment_removed(self, event: Event) -> None:
        """An environment that a restore removed: it was created after the backup."""
        self.remove("environment", event)

    def _deletion_begins(self, kind: str, event: Event) -> bool:
        """Whether a deletion is not complete with its event, which then names its reason.

        It is with that of an earlier version, a restore, or a deletion by another program.
        """
        if "reason" not in event.details:
            return False
        deletion = begin("pending_deletion", event.resource_id, event)
        told = {"kind": kind, "deleted_at": event.created_at, "request_id": event.request_id}
        deletion.tell(event.seq, told | {"actor": event.actor} | event.fields("reason"))
        self._state.put(deletion)
        return True
