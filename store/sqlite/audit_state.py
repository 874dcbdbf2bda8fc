"""`audit verify --state`: comparing the tables with the audit log."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from hookstream_keys.store.expected_state import ExpectedState, Kind
from hookstream_keys.store.records import Progress
from hookstream_keys.store.sqlite import audit_chain, state_rows
from hookstream_keys.store.sqlite.engine import SqliteEngine
from hookstream_keys.store.sqlite.known_log import KnownLog
from hookstream_keys.store.state_check import Comparison, Difference, FoundRow, StateCheck

#: In the order in which faults are reported: parents first.
KINDS: tuple[Kind, ...] = (
    "organization",
    "environment",
    "api_key",
    "rotation",
    "member",
    "pending_deletion",
)

#: How many faults are listed; of the others only the number.
MAX_FAULTS = 100

_HAS_USER = 'select 1 from "user" where id = ?'


class AuditState(SqliteEngine):
    """Checking that the state is what the audit log says."""

    def check_state(
        self,
        now: str,
        expected_head: str | None = None,
        *,
        archives: Sequence[Path] = (),
        progress: Progress | None = None,
    ) -> StateCheck:
        with self.translated(), closing(self._open(create=False)) as connection:
            return check(connection, now, expected_head, archives=archives, progress=progress)


def check(
    connection: sqlite3.Connection,
    now: str,
    expected_head: str | None = None,
    *,
    archives: Sequence[Path] = (),
    progress: Progress | None = None,
    tell: Callable[[Difference], None] | None = None,
) -> StateCheck:
    """`Store.check_state` on a connection outside a transaction. `tell` gets each fault."""
    with closing(ExpectedState()) as state, audit_chain.one_moment(connection):
        replay = KnownLog(connection, state, is_whole=bool(archives))
        found = audit_chain.follow(
            connection, expected_head, archives=archives, visit=replay.visit, progress=progress
        )
        result = StateCheck(found)
        if found.fault is None:
            result.is_complete = not found.pruned or replay.is_complete
            unknown_until = replay.unknown_until if found.pruned else None
            _compare(connection, replay, now, unknown_until, result, tell, progress)
        return result


def _compare(
    connection: sqlite3.Connection,
    replay: KnownLog,
    now: str,
    unknown_until: str | None,
    result: StateCheck,
    tell: Callable[[Difference], None] | None,
    progress: Progress | None,
) -> None:
    """Compare the rows of every kind with what the log describes."""

    def has_user(user_id: str) -> bool:
        return connection.execute(_HAS_USER, (user_id,)).fetchone() is not None

    def tell_and_keep(difference: Difference) -> None:
        if len(result.faults) < MAX_FAULTS:
            result.faults.append(difference.fault)
        if tell is not None:
            tell(difference)

    for fault in replay.faults:
        result.fault_count += 1
        tell_and_keep(Difference(fault, None, None))
    comparison = Comparison(replay.state, now, unknown_until, has_user, result, tell_and_keep)
    count = _telling(connection, progress) if progress is not None else iter
    for kind in KINDS:
        comparison.compare(kind, count(state_rows.read(connection, kind)))


def _telling(
    connection: sqlite3.Connection, progress: Progress
) -> Callable[[Iterator[FoundRow]], Iterator[FoundRow]]:
    """Passes rows on, with reports of progress."""
    counts = [f"(select count(*) from {state_rows.TABLES[kind]})" for kind in KINDS]  # noqa: S608
    (total,) = connection.execute(f"select {' + '.join(counts)}").fetchone()
    done = 0

    def count(rows: Iterator[FoundRow]) -> Iterator[FoundRow]:
        nonlocal done
        for row in rows:
            done += 1
            if done % audit_chain.STEP == 0:
                progress("state", done, total)
            yield row

    return count
