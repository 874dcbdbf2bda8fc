"""The known part of the audit log: the checkpoint of pruned rows, and the rows after it."""

import sqlite3

from hookstream_keys.store import chain, event_forms
from hookstream_keys.store.expected_state import ExpectedState
from hookstream_keys.store.replay import Replay
from hookstream_keys.store.sqlite import audit_chain, audit_checkpoint
from hookstream_keys.store.state_check import StateFault


class KnownLog:
    """Replays the log into a state, from the checkpoint of the last prune where there is one.

    With `is_whole` the pruned rows are visited as well, from archives, and the checkpoint is not
    needed. Inside a read transaction.
    """

    def __init__(
        self, connection: sqlite3.Connection, state: ExpectedState, *, is_whole: bool
    ) -> None:
        self.state = state
        #: What in the checkpoint differs from its event; then it is not used.
        self.faults: list[StateFault] = []
        self._replay = Replay(state)
        self._pruned_until: str | None = None
        is_pruned = audit_chain.anchor_of(connection).seq > 0
        found = audit_checkpoint.find(connection) if is_pruned and not is_whole else None
        if found is not None:
            self.faults = [
                StateFault("audit_checkpoint", found.name, kind, digest,
                           found.digests.get(kind), found.seq)
                for kind, digest in audit_checkpoint.changed(connection, found)
            ]  # fmt: skip
        self._checkpoint = None if self.faults else found
        if self._checkpoint is not None:
            audit_checkpoint.load(connection, self._checkpoint, state)

    @property
    def is_complete(self) -> bool:
        """Whether the checkpoint has all that was pruned."""
        return self._checkpoint is not None and self._checkpoint.unknown_until is None

    @property
    def unknown_until(self) -> str | None:
        """The time of the last pruned event that is not known."""
        if self._checkpoint is not None:
            return self._checkpoint.unknown_until
        return self._pruned_until

    def note(self, row: chain.Row) -> None:
        """Note a row of the chain that is not replayed."""
        if row[chain.COLUMNS.index("action")] == chain.PRUNED:
            until = event_forms.read(row).details.get("until")
            self._pruned_until = until if isinstance(until, str) else self._pruned_until

    def visit(self, row: chain.Row) -> None:
        """Replay a row of the chain."""
        self.note(row)
        # An interrupted prune leaves rows that are in the checkpoint.
        if self._checkpoint is None or row[0] > self._checkpoint.through_seq:
            self._replay.apply(event_forms.read(row))
