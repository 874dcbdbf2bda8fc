"""`audit accept`: events for what better-auth changed in the shared tables."""

import sqlite3
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from pathlib import Path

from hookstream_keys.store.acceptance import (
    LOG_DAMAGED,
    Acceptance,
    AcceptedChange,
    Differences,
    DifferentRow,
)
from hookstream_keys.store.errors import AcceptRefused
from hookstream_keys.store.inline import run_inline
from hookstream_keys.store.records import AuditEvent, Progress
from hookstream_keys.store.sql.audit import insert_event
from hookstream_keys.store.sqlite import audit_state, state_rows
from hookstream_keys.store.sqlite.connection import transaction
from hookstream_keys.store.sqlite.engine import SqliteEngine

_SINCE = "select 1 from audit_log where seq > ? and resource_id in (?, ?) limit 1"

#: Makes the event of a change.
Recorded = Callable[[AcceptedChange], AuditEvent]


class AuditAccept(SqliteEngine):
    """Accepting differences between the state and the audit log."""

    def accept_changes(
        self,
        now: str,
        recorded: Recorded,
        *,
        only: Collection[str] = (),
        archives: Sequence[Path] = (),
        rehearse: bool = False,
        progress: Progress | None = None,
    ) -> Acceptance:
        differences = Differences()
        with self.translated(), closing(self._open(create=False)) as connection:
            state = audit_state.check(
                connection, now, archives=archives, progress=progress, tell=differences.add
            )
            if state.chain.fault is not None:
                raise AcceptRefused(LOG_DAMAGED)
            rows = differences.acceptable(only)
            _require_all(only, rows)
            changes = tuple(change for row in rows for change in row.changes)
            if not rehearse:
                with transaction(connection):
                    # Before the first event: it may be about the organization of others.
                    for row in rows:
                        _require_unchanged(connection, row, state.chain.seq)
                    for change in changes:
                        run_inline(insert_event(connection, recorded(change)))
        left, count = differences.left_after(rows)
        return Acceptance(changes, tuple(left), count)


def _require_all(only: Collection[str], rows: Collection[DifferentRow]) -> None:
    unknown = sorted(set(only) - {row.id for row in rows})
    if unknown:
        raise AcceptRefused(
            f"{', '.join(map(ascii, unknown))} cannot be accepted: give ids of members or "
            "organizations that hookstream-keys audit accept lists"
        )


def _require_unchanged(connection: sqlite3.Connection, row: DifferentRow, seq: int) -> None:
    """Raise AcceptRefused where the row, or what the log says of it, was changed."""
    found = next(state_rows.read(connection, row.kind, where="t.id = ?", values=(row.id,)), None)
    org_id = row.changes[0].org_id
    if found != row.found or connection.execute(_SINCE, (seq, row.id, org_id)).fetchone():
        raise AcceptRefused(
            f"the {row.kind} {row.id!a} was changed meanwhile, and nothing was accepted; try again"
        )
