"""What replaying events of every kind has in common: finding a row, beginning and removing one."""

from hookstream_keys.store.event_forms import Event
from hookstream_keys.store.expected_state import Expected, ExpectedState, Kind, Presence


class RowEvents:
    """Applies events to the rows that they are about, in `state`."""

    def __init__(self, state: ExpectedState) -> None:
        self._state = state
        #: The requests of restores by an earlier version, which did not tell all that they did.
        self._untold: set[str] = set()

    def find(self, kind: Kind, row_id: str, event: Event) -> Expected:
        """The row that an event is about; one of which nothing is known where none told of it."""
        row = self._state.find(kind, row_id)
        if row is None:
            row = begin(kind, row_id, event)
            row.is_complete = False
        return row

    def remove(self, kind: Kind, event: Event) -> None:
        """Let the row that an event is about be gone, with all that belongs to it."""
        row = self.find(kind, event.resource_id, event)
        row.presence, row.since = Presence.GONE, event.seq
        # What belongs to it is gone as well, also when the row itself comes back.
        row.tell(event.seq, {"gone": True})
        self._state.put(row)

    def restore(self, kind: Kind, event: Event, *, ended_by: str) -> None:
        """A row that a restore changed, which tells `changes`, or brought back, which tells all."""
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
    """A row that begins with the event, whatever was known of one of that id."""
    row = Expected(kind, row_id, event.org_id, Presence.LIVES, event.seq, is_complete=True)
    row.tell(event.seq, {"org_id": event.org_id})
    return row
