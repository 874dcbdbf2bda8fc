"""Differences between the state and the audit log that an operator may accept, as events.

Only of members and organizations: better-auth's organization plugin writes to their tables without
events. The events are those of the same changes by the API, with `accepted`. All other differences
stay faults, above all those of keys.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from hookstream_keys.domain.records import record
from hookstream_keys.store import audit_details
from hookstream_keys.store.expected_state import Expected, Kind
from hookstream_keys.store.state_check import Difference, FoundRow, StateFault

#: How many of the remaining faults are listed; of the others only the number.
MAX_LEFT = 100

#: Why nothing can be accepted where the audit log was changed.
LOG_DAMAGED = (
    "the audit log is not as it was written, so that nothing follows from it; run "
    "hookstream-keys audit verify"
)


class AcceptedChange(NamedTuple):
    """An event that explains a row, or one of several."""

    action: str
    org_id: str
    resource_id: str
    details: dict[str, Any]


@record
class Acceptance:
    """What can be accepted, or was, and the remaining faults: the first, and how many."""

    changes: tuple[AcceptedChange, ...]
    left: tuple[StateFault, ...]
    left_count: int


@dataclass(slots=True)
class DifferentRow:
    """A member or an organization that differs from the log, as it was found."""

    kind: Kind
    id: str
    #: None where it is missing.
    found: FoundRow | None
    #: The changes that explain it; none where it cannot be accepted.
    changes: tuple[AcceptedChange, ...] = ()
    faults: list[StateFault] = field(default_factory=list)


class Differences:
    """Collects differences, organizations first, and decides which can be accepted."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], DifferentRow] = {}
        #: By missing organization, how many of its rows of each kind are missing.
        self._went: dict[str, Counter[str]] = {}
        self._others: list[StateFault] = []
        self._other_count = 0

    def add(self, difference: Difference) -> None:
        """Add a difference."""
        fault, row, expected = difference
        if row is None and expected is not None and expected.org_id in self._went:
            self._went[expected.org_id][expected.kind] += 1
        elif fault.kind not in ("member", "organization"):
            self._other_count += 1
            if self._other_count <= MAX_LEFT:
                self._others.append(fault)
        elif (fault.kind, fault.id) in self._rows:
            self._rows[fault.kind, fault.id].faults.append(fault)
        else:
            if fault.kind == "organization" and row is None:
                self._went[fault.id] = Counter()
            changes = _organization if fault.kind == "organization" else _member
            explained = tuple(changes(row, expected))
            found = DifferentRow(fault.kind, fault.id, row, explained, [fault])
            self._rows[fault.kind, fault.id] = found

    def acceptable(self, only: Collection[str]) -> list[DifferentRow]:
        """The rows that can be accepted; where `only` has ids, those of them."""
        rows = [row for row in self._rows.values() if _can_be_stored(row.changes)]
        for row in rows:
            for change in row.changes:
                if row.id in self._went:
                    change.details["removed_with_it"] = dict(self._went[row.id])
        return [row for row in rows if not only or row.id in only]

    def left_after(self, accepted: Collection[DifferentRow]) -> tuple[list[StateFault], int]:
        """The faults that these do not explain: the first of them, and how many there are."""
        done = {(row.kind, row.id) for row in accepted}
        left = [fault for key, row in self._rows.items() if key not in done for fault in row.faults]
        went = sum(
            self._went[row_id].total()
            for row_id in self._went
            if ("organization", row_id) not in done
        )
        count = len(left) + self._other_count + went
        return [*left, *self._others][:MAX_LEFT], count


def _organization(row: FoundRow | None, expected: Expected | None) -> Iterator[AcceptedChange]:
    # better-auth does not restore an organization that was deleted.
    if expected is None:
        return
    if row is None:
        told = {name: expected.value(name) for name in ("name", "slug")}
        yield _change("organization.deleted", expected.id, expected.id, **told)
    elif changes := _changes(row, expected):
        yield _change("organization.updated", row.id, row.id, changes=changes)


def _member(row: FoundRow | None, expected: Expected | None) -> Iterator[AcceptedChange]:
    if row is not None and row.unreadable is not None:
        return
    changes = _changes(row, expected) if row is not None and expected is not None else {}
    if row is not None and expected is not None and changes.keys() == {"role"}:
        user = row.fields["user_id"]
        yield _change("member.updated", row.org_id, row.id, user_id=user, changes=changes)
        return
    if expected is not None and (row is None or changes):
        # With another user or organization it is another member, despite its id.
        told = {name: expected.value(name) for name in ("user_id", "role")}
        yield _change("member.removed", expected.org_id, expected.id, **told)
    if row is not None:
        told = {name: row.fields[name] for name in ("user_id", "role")}
        yield _change("member.added", row.org_id, row.id, **told)


def _changes(row: FoundRow, expected: Expected) -> audit_details.Changes:
    told = {name: expected.value(name) for name in row.fields if name in expected.fields}
    return audit_details.changed(told, {name: row.fields[name] for name in told})


def _change(action: str, org_id: str, row_id: str, **details: Any) -> AcceptedChange:
    return AcceptedChange(action, org_id, row_id, {**details, "accepted": True})


def _can_be_stored(changes: tuple[AcceptedChange, ...]) -> bool:
    """Whether there are changes, and all values are valid text: a row may hold anything."""
    try:
        orjson.dumps([[*change] for change in changes])
    except TypeError:
        return False
    return bool(changes)
