"""Replaying events about keys and their rotations."""

from typing import Any

from hookstream_keys.store.audit_details import DEFAULTS_OF_NEW
from hookstream_keys.store.event_forms import Event
from hookstream_keys.store.expected_state import Expected, Presence
from hookstream_keys.store.replay_rows import RowEvents, begin

_NOT_REVOKED = {"revoked_at": None, "revocation_reason": None}


class KeyEvents(RowEvents):
    """Events about keys and rotations."""

    # Keys

    def key_created(self, event: Event) -> None:
        """A key, which is not revoked."""
        key = begin("api_key", event.resource_id, event)
        # An event of an earlier version, which has no fingerprint, left out more than that.
        defaults = DEFAULTS_OF_NEW if "secret_fingerprint" in event.details else {}
        told = {"created_at": event.created_at} | _NOT_REVOKED | defaults | event.all_fields()
        key.tell(event.seq, told)
        self._state.put(key)

    def key_updated(self, event: Event) -> None:
        """A key's rules."""
        key = self.find("api_key", event.resource_id, event)
        changes = event.new_values()
        key.tell(event.seq, changes)
        self._state.put(key)
        if "expires_at" in changes or event.details.get("resets_pending_expiry") is True:
            # The latest value applies to a pending secret, too.
            self._change_pending(key, event, {"sets_expiry": False})

    def key_revoked(self, event: Event) -> None:
        """A key is revoked: at the moment of the event, or of the deletion that it is part of."""
        key = self.find("api_key", event.resource_id, event)
        key.presence, key.since = Presence.ENDED, event.seq
        key.tell(event.seq, {"revoked_at": event.details.get("revoked_at", event.created_at)})
        key.fields.pop("revocation_reason", None)
        if "reason" in event.details:
            key.tell(event.seq, {"revocation_reason": event.details["reason"]})
        self._state.put(key)

    def key_restored(self, event: Event) -> None:
        """A key that a restore changed or restored."""
        self.restore("api_key", event, ended_by="revoked_at")

    def key_removed(self, event: Event) -> None:
        """A key that a restore removed: it was issued after the backup."""
        self.remove("api_key", event)

    # Rotations

    def rotated(self, event: Event) -> None:
        """A new secret is pending; one that was is cancelled."""
        key = self.find("api_key", event.resource_id, event)
        self._change_pending(key, event, {"state": "cancelled"}, Presence.ENDED)
        rotation = self._rotation(event, begins=True)
        if rotation is None:
            return
        pending = {"state": "pending", "created_at": event.created_at, "created_by": event.actor}
        told = event.fields("key_prefix", "secret_fingerprint", "grace_period_seconds")
        rotation.tell(event.seq, pending | {"activated_at": None} | told)
        rotation.tell(event.seq, event.fields("sets_expiry", "expires_at", "restricted_by"))
        key.tell(event.seq, {"pending": rotation.id})
        self._state.put(rotation)
        self._state.put(key)

    def rotation_activated(self, event: Event) -> None:
        """The key and the rotation exchange their secrets."""
        key, rotation = self.find("api_key", event.resource_id, event), self._rotation(event)
        if rotation is None:
            return
        for name in ("key_prefix", "secret_fingerprint"):
            _swap(key, rotation, name, event.seq)
        rotation.tell(event.seq, {"state": "grace", "activated_at": event.created_at})
        rotation.fields.pop("expires_at", None)
        if "grace_ends_at" in event.details:
            rotation.tell(event.seq, {"expires_at": event.details["grace_ends_at"]})
        if "changes" not in event.details:
            # An earlier version did not record whether the rotation set another expiry.
            key.fields.pop("expires_at", None)
        key.tell(event.seq, event.fields("key_prefix") | event.new_values() | {"pending": None})
        self._state.put(rotation)
        self._state.put(key)

    def rotation_cancelled(self, event: Event) -> None:
        """A pending secret was cancelled."""
        rotation = self._rotation(event)
        if rotation is not None:
            rotation.presence, rotation.since = Presence.ENDED, event.seq
            rotation.tell(event.seq, {"state": "cancelled"})
            self._state.put(rotation)

    def rotation_restored(self, event: Event) -> None:
        """A rotation that came back with its key."""
        rotation = self._rotation(event, begins=True)
        if rotation is not None:
            rotation.tell(event.seq, event.all_fields())
            if rotation.value("state") == "cancelled":
                rotation.presence = Presence.ENDED
            self._state.put(rotation)

    def _rotation(self, event: Event, *, begins: bool = False) -> Expected | None:
        """The rotation of an event about a key."""
        row_id = event.details.get("rotation_id")
        if not isinstance(row_id, str):
            return None
        if begins:
            rotation = begin("rotation", row_id, event)
        else:
            rotation = self.find("rotation", row_id, event)
        rotation.tell(event.seq, {"key_id": event.resource_id})
        return rotation

    def _change_pending(
        self,
        key: Expected,
        event: Event,
        values: dict[str, Any],
        presence: Presence | None = None,
    ) -> None:
        """Change the rotation of the key that is pending, if one is."""
        row_id = key.value("pending")
        rotation = self._state.find("rotation", row_id) if isinstance(row_id, str) else None
        if rotation is None or rotation.value("state") != "pending":
            return
        rotation.tell(event.seq, values)
        if presence is not None:
            rotation.presence, rotation.since = presence, event.seq
        self._state.put(rotation)


def _swap(key: Expected, rotation: Expected, name: str, seq: int) -> None:
    """Exchange a field of both; unknown in one, it is unknown in the other."""
    mine, theirs = key.fields.pop(name, None), rotation.fields.pop(name, None)
    if theirs is not None:
        key.fields[name] = (theirs[0], seq)
    if mine is not None:
        rotation.fields[name] = (mine[0], seq)
