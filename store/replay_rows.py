"""Replaying events of every kind: finding, creating and removing a row."""

from hookstream_keys.store.event_forms import Event
from hookstream_keys.store.expected_state import Expected, ExpectedState, Kind, Presence


class RowEvents:
    """Applies events to the rows that they are about, in `state`."""

    def __init__(self, state: ExpectedState) -> None:
        self._state = state
        #: The requests of restores by an earlier version, which did not tell all that they did.
        self._untold: set[str] = set()

    def find(self, kind: Kind, row_id: str, event: Event) -> Expected:
        """The row of an event; an unknown one where no event recorded it."""
        row = self._state.find(kind, row_id)
        if row is None:
            row = begin(kind, row_id, event)
            row.is_complete = False
        return row

    def remove(self, kind: Kind, event: Event) -> None:
        """Remove the row of an event, with its children."""
        row = self.find(kind, event.resource_id, event)
        row.presence, row.since = Presence.GONE, event.seq
        # Its children stay removed, also when the row itself is restored.
        row.tell(event.seq, {"gone": True})
        self._state.put(row)

    def restore(self, kind: Kind, event: Event, *, ended_by: str) -> None:
        """A row that a restore changed, with `changes`, or restored, with all fields."""
        row = self.find(kind, event.resource_id, event)
        row.tell(event.seq, {"org_id": event.org_id} | event.all_fields() | event.new_values())
        if "changes" not in event.details:
            row.is_complete = True
        if ended_by in row.fields:
            has_ended = row.value(ended_by) is not None
            row.presence = Presence.ENDED if has_ended else Presence.LIVES
        row.since = event.seq
        self._state.put(row)


def begin(kind: Kind, row_id: str, event: Event) -> Expected:
    """A row that the event creates, whatever was known of one of that id."""
    row = Expected(kind, row_id, event.org_id, Presence.LIVES, event.seq, is_complete=True)
    row.tell(event.seq, {"org_id": event.org_id})
    return row
