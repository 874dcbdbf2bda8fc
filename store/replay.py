"""Replaying the audit log: what keys, rotations, members and environments must be.

`Replay.apply` takes the events of a valid chain in order, and applies each to its row in an
`ExpectedState`. `state_check` compares that with the
tables.
"""

from collections.abc import Callable

from hookstream_keys.store.event_forms import Event
from hookstream_keys.store.replay_keys import KeyEvents
from hookstream_keys.store.replay_tenants import TenantEvents


class Replay(TenantEvents, KeyEvents):
    """Applies events to the state that they describe."""

    def apply(self, event: Event) -> None:
        """Apply the next event."""
        if event.request_id in self._untold and event.action not in _TOLD_BY_ALL:
            return
        action = _ACTIONS.get(event.action)
        if action is not None:
            action(self, event)


#: The events of an earlier version's restore that can be replayed.
_TOLD_BY_ALL = {"organization.restored", "organization.deleted"}

_ACTIONS: dict[str, Callable[[Replay, Event], None]] = {
    "organization.created": Replay.organization_created,
    "organization.updated": Replay.organization_updated,
    "organization.deleted": Replay.organization_deleted,
    "organization.deletion_completed": Replay.organization_deletion_completed,
    "organization.restored": Replay.organization_restored,
    "member.added": Replay.member_added,
    "member.restored": Replay.member_added,
    "member.updated": Replay.member_updated,
    "member.removed": Replay.member_removed,
    "environment.created": Replay.environment_created,
    "environment.updated": Replay.environment_updated,
    "environment.deleted": Replay.environment_deleted,
    "environment.deletion_completed": Replay.environment_deletion_completed,
    "environment.restored": Replay.environment_restored,
    "environment.removed": Replay.environment_removed,
    "api_key.created": Replay.key_created,
    "api_key.updated": Replay.key_updated,
    "api_key.revoked": Replay.key_revoked,
    "api_key.restored": Replay.key_restored,
    "api_key.removed": Replay.key_removed,
    "api_key.rotated": Replay.rotated,
    "api_key.rotation_activated": Replay.rotation_activated,
    "api_key.rotation_cancelled": Replay.rotation_cancelled,
    "api_key.rotation_restored": Replay.rotation_restored,
}
