"""Pruning the audit log: its oldest rows move to an archive, and the rest stays verifiable.

The remaining rows begin after an anchor, the position and hash of the last removed row. An anchor
alone could hide rows, so the prune is itself an event of the chain, stored with the first removal.
An interrupted prune leaves an anchor before the row that its event names: the log is verified with
the rows between.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from hookstream_keys.store import archive, chain
from hookstream_keys.store.errors import PruneRefused
from hookstream_keys.store.expected_state import ExpectedState
from hookstream_keys.store.inline import run_inline
from hookstream_keys.store.records import AuditEvent, Progress, Pruned
from hookstream_keys.store.sql.audit import insert_event
from hookstream_keys.store.sqlite import audit_chain, audit_checkpoint, backup_files
from hookstream_keys.store.sqlite.connection import Connection, transaction
from hookstream_keys.store.sqlite.engine import SqliteEngine
from hookstream_keys.store.sqlite.known_log import KnownLog

#: How many rows one transaction removes: a few hundredths of a second, for which writers wait.
BATCH = 2_000

_CREATED_AT = chain.COLUMNS.index("created_at")
_HASH_AT = "select hash from audit_log where seq = ?"
_TRIGGERS = "select name, sql from sqlite_master where type = 'trigger' and tbl_name = 'audit_log'"

#: Makes the event of a prune from its details.
Recorded = Callable[[Mapping[str, Any]], AuditEvent]


class AuditPrune(SqliteEngine):
    """Removing the oldest rows of the audit log."""

    def prune_audit_log(
        self,
        before: str,
        to: Path | None,
        recorded: Recorded,
        *,
        progress: Progress | None = None,
    ) -> Pruned | None:
        with self.translated(), closing(self._open(create=False)) as connection:
            anchor = audit_chain.anchor_of(connection)
            older = audit_checkpoint.names(connection)
            with closing(ExpectedState()) as state:
                planned = _archive(connection, before, to, state, progress)
                if planned is None:
                    return None
                pruned, unknown_until = planned
                name, digests = audit_checkpoint.store(connection, state)
            known = {"checkpoint": name, "sha256": digests, "unknown_until": unknown_until}
            event = recorded({**pruned._asdict(), "before": before, "state": known})
            _remove(connection, anchor, pruned, event, progress)
            audit_checkpoint.forget(connection, older)
            return pruned


def _archive(
    connection: Connection,
    before: str,
    to: Path | None,
    state: ExpectedState,
    progress: Progress | None,
) -> tuple[Pruned, str | None] | None:
    """Write the rows to remove to a file, and replay them into the state.

    Returns the extent of these rows, and until when earlier pruned events are unknown; None where
    there is nothing to remove.
    """
    last: chain.Row | None = None
    is_prefix = True

    def look(row: chain.Row) -> None:
        nonlocal last, is_prefix
        is_prefix = is_prefix and row[_CREATED_AT] < before
        if is_prefix:
            last = row
            known.visit(row)
        else:
            known.note(row)

    with audit_chain.one_moment(connection):
        known = KnownLog(connection, state, is_whole=False)
        found = audit_chain.follow(connection, visit=look, progress=progress)
        if found.fault is not None or known.faults:
            raise PruneRefused(
                "the audit log is not as it was written, and is left as it is; run "
                "hookstream-keys audit verify --state"
            )
        if last is None:
            return None
        through = last[0]
        if to is not None:
            with backup_files.draft_for(to) as draft:
                with draft.open("wb") as file:
                    archive.write(file, audit_chain.rows(connection, through))
                backup_files.publish(draft, to)
    pruned = Pruned(through - found.pruned, through, last[-1], last[_CREATED_AT])
    return pruned, known.unknown_until if found.pruned else None


def _remove(
    connection: Connection,
    anchor: chain.Anchor,
    pruned: Pruned,
    event: AuditEvent,
    progress: Progress | None,
) -> None:
    """Remove the archived rows in batches; the first with the event."""
    first = anchor.seq
    for end in (*range(first + BATCH, pruned.through_seq, BATCH), pruned.through_seq):
        begun = time.monotonic()
        with transaction(connection):
            if audit_chain.anchor_of(connection) != anchor:
                raise PruneRefused("another prune is running; run only one at a time")
            if anchor.seq == first:
                run_inline(insert_event(connection, event))
            (entry_hash,) = connection.execute(_HASH_AT, (end,)).fetchone()
            with _unprotected(connection):
                connection.execute("delete from audit_log where seq <= ?", (end,))
            connection.execute("update audit_anchor set seq = ?, hash = ?", (end, entry_hash))
            anchor = chain.Anchor(end, entry_hash)
        if progress is not None:
            progress("prune", end - first, pruned.rows)
        if end < pruned.through_seq:
            # Waiting writers poll for the lock: leave it free as long as it was held.
            time.sleep(time.monotonic() - begun)


@contextmanager
def _unprotected(connection: Connection) -> Iterator[None]:
    """Drop the triggers that refuse changes for the block."""
    triggers = connection.execute(_TRIGGERS).fetchall()
    for name, _ in triggers:
        connection.execute(f'drop trigger "{name}"')
    yield
    for _, statement in triggers:
        connection.execute(statement)
