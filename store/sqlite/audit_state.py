"""`audit verify --state`: the audit log's events against the rows that there are."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from hookstream_keys.store import chain, event_forms
from hookstream_keys.store.expected_state import ExpectedState, Kind
from hookstream_keys.store.records import Progress
from hookstream_keys.store.replay import Replay
from hookstream_keys.store.sqlite import audit_chain, state_rows
from hookstream_keys.store.sqlite.engine import Engine
from hookstream_keys.store.state_check import Comparison, FoundRow, StateCheck, StateFault

#: In an order in which the faults read well: first what others belong to.
KINDS: tuple[Kind, ...] = ("organization", "environment", "api_key", "rotation", "member")

#: So many faults are told; of the others, how many they are.
MAX_FAULTS = 100

_HAS_USER = 'select 1 from "user" where id = ?'


class AuditState(Engine):
    """Checking that the state is what the audit log says."""

    def check_state(
        self,
        now: str,
        kept: str | None = None,
        *,
        archives: Sequence[Path] = (),
        progress: Progress | None = None,
    ) -> StateCheck:
        with self.translated(), closing(self._open(create=False)) as connection:
            return check(connection, now, kept, archives=archives, progress=progress)


def check(
    connection: sqlite3.Connection,
    now: str,
    kept: str | None = None,
    *,
    archives: Sequence[Path] = (),
    progress: Progress | None = None,
    tell: Callable[[StateFault], None] | None = None,
) -> StateCheck:
    """`Store.check_state` on a connection that is in no transaction. `tell` gets every fault."""
    with closing(ExpectedState()) as state, audit_chain.one_moment(connection):
        replay = _Replay(state)
        found = audit_chain.follow(
            connection, kept, archives=archives, visit=replay.visit, progress=progress
        )
        result = StateCheck(found)
        if found.fault is None:
            pruned_until = replay.pruned_until if found.pruned else None
            _compare(connection, state, now, pruned_until, result, tell, progress)
        return result


def _compare(
    connection: sqlite3.Connection,
    state: ExpectedState,
    now: str,
    pruned_until: str | None,
    result: StateCheck,
    tell: Callable[[StateFault], None] | None,
    progress: Progress | None,
) -> None:
    """Compare the rows of every kind with what the log tells of them."""

    def has_user(user_id: str) -> bool:
        return connection.execute(_HAS_USER, (user_id,)).fetchone() is not None

    def tell_and_keep(fault: StateFault) -> None:
        if len(result.faults) < MAX_FAULTS:
            result.faults.append(fault)
        if tell is not None:
            tell(fault)

    comparison = Comparison(state, now, pruned_until, has_user, result, tell_and_keep)
    count = _telling(connection, progress) if progress is not None else iter
    for kind in KINDS:
        comparison.compare(kind, count(state_rows.read(connection, kind)))


def _telling(
    connection: sqlite3.Connection, progress: Progress
) -> Callable[[Iterator[FoundRow]], Iterator[FoundRow]]:
    """What hands rows on, and tells progress now and then."""
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


class _Replay:
    """The replay, and until when the log was pruned."""

    def __init__(self, state: ExpectedState) -> None:
        self._replay = Replay(state)
        self.pruned_until: str | None = None

    def visit(self, row: chain.Row) -> None:
        """Take a row of the chain."""
        event = event_forms.read(row)
        if event.action == chain.PRUNED:
            until = event.details.get("until")
            self.pruned_until = until if isinstance(until, str) else self.pruned_until
        self._replay.apply(event)
