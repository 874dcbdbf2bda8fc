"""Comparing the rows of the tables with the state that the audit log describes.

Both are read in the order of their ids, so neither has to be in memory.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from hookstream_keys.domain.records import record
from hookstream_keys.store.expected_state import Expected, ExpectedState, Kind, Presence
from hookstream_keys.store.records import ChainCheck

#: The field of a fault about the row itself: whether it exists.
ROW = "row"

#: Why something was not checked.
UNRECORDED_ROWS = "rows from before the first event that is known"
UNRECORDED_FIELDS = "fields that no known event tells"
FOREIGN_ORGANIZATIONS = "organizations whose beginning no known event tells"
FOREIGN_MEMBERS = "members of organizations whose beginning no known event tells"


class FoundRow(NamedTuple):
    """A row of a table, in the names and forms of audit events."""

    id: str
    org_id: str
    #: As `hookstream_keys.domain.timestamps` writes it; None where the row does not have it.
    created_at: str | None
    fields: dict[str, Any]
    #: Why fields of the row could not be read; None where all could.
    unreadable: str | None = None


@record
class StateFault:
    """A row that differs from the audit log, with the `seq` of the event that says so."""

    kind: Kind | Literal["audit_checkpoint"]
    id: str
    field: str
    found: Any
    expected: Any
    seq: int | None

    def __str__(self) -> str:
        # As JSON: a row that was changed may contain anything, such as terminal control codes.
        what, source = f"{self.kind} {json.dumps(self.id)}", ""
        if self.seq is not None:
            source = f" (seq {self.seq})"
        if self.field == ROW:
            return f"{what} {json.dumps(self.found)[1:-1]}; by the log it {self.expected}{source}"
        found, expected = json.dumps(self.found), json.dumps(self.expected)
        return f"{what}: {self.field} is {found}; by the log it is {expected}{source}"


class Difference(NamedTuple):
    """A fault, with the found and the expected row."""

    fault: StateFault
    row: FoundRow | None
    expected: Expected | None


@dataclass(slots=True)
class StateCheck:
    """The result of comparing the state with the log."""

    chain: ChainCheck
    #: Whether all events were known. Otherwise missing rows are not found, and others not checked,
    #: whose events were pruned.
    is_complete: bool = True
    #: How many rows of each kind were compared.
    checked: Counter[str] = field(default_factory=Counter)
    #: How many could not be, by the reason.
    unchecked: Counter[str] = field(default_factory=Counter)
    #: The first faults, up to a limit.
    faults: list[StateFault] = field(default_factory=list)
    fault_count: int = 0

    @property
    def summary(self) -> str:
        """The number of faults, and the first one."""
        places = "1 place" if self.fault_count == 1 else f"{self.fault_count} places"
        return f"in {places}, first {self.faults[0]}"


@record
class Comparison:
    """Compares the rows of each kind with the expected state, and reports each fault."""

    state: ExpectedState
    #: The moment: rotations whose grace period has ended by then may have been pruned.
    now: str
    #: The time of the last pruned event that is not known; None if all are.
    pruned_until: str | None
    has_user: Callable[[str], bool]
    result: StateCheck
    tell: Callable[[Difference], None]

    def compare(self, kind: Kind, found: Iterable[FoundRow]) -> None:
        """Compare all rows of a kind, given in the order of the bytes of their ids."""
        organization = lru_cache(maxsize=10_000)(
            lambda org_id: self.state.find("organization", org_id)
        )
        for row, expected in _side_by_side(found, self.state.all(kind)):
            org_id = row.org_id if row is not None else expected.org_id if expected else ""
            home = organization(expected.org_id if expected is not None else org_id)
            if expected is None:
                if row is not None:
                    self._look_at_unexpected(kind, row, home)
            elif row is None:
                self._look_at_missing(expected, home)
            else:
                self._look_at_both(row, expected, home)

    def _look_at_unexpected(self, kind: Kind, row: FoundRow, home: Expected | None) -> None:
        """A row that no event recorded."""
        if kind == "organization":
            # better-auth creates organizations as well.
            self.result.unchecked[FOREIGN_ORGANIZATIONS] += 1
        elif kind == "member" and (home is None or not home.is_complete):
            self.result.unchecked[FOREIGN_MEMBERS] += 1
        elif _is_before(row.created_at, self.pruned_until, home) or (
            kind == "member" and home is not None and self._is_first_member(row, home)
        ):
            self.result.unchecked[UNRECORDED_ROWS] += 1
        else:
            self.result.checked[kind] += 1
            fault = StateFault(kind, row.id, ROW, "is there", "was never made", None)
            self._fault(fault, row, None)

    def _is_first_member(self, row: FoundRow, home: Expected) -> bool:
        """Whether it may be the first member of an organization of an earlier version."""
        if row.created_at is None or home.value("first_member_at") != row.created_at:
            return False
        # There is one.
        del home.fields["first_member_at"]
        self.state.put(home)
        return True

    def _look_at_missing(self, expected: Expected, home: Expected | None) -> None:
        if self._presence(expected, home) is not Presence.LIVES:
            return
        if expected.kind == "member" and not self.has_user(expected.value("user_id") or ""):
            # better-auth deletes a user with all memberships.
            return
        fault = StateFault(
            expected.kind, expected.id, ROW, "is missing", "is there", expected.since
        )
        self._fault(fault, None, expected)

    def _look_at_both(self, row: FoundRow, expected: Expected, home: Expected | None) -> None:
        self.result.checked[expected.kind] += 1
        if self._presence(expected, home) is Presence.GONE:
            fault = StateFault(
                expected.kind, row.id, ROW, "is there", "was removed", expected.since
            )
            # It has ended, by the log.
            self._fault(fault, row, None)
            return
        unknown_until = home.fields.get("unknown_until", (None, 0))[1] if home else 0
        for name, value in row.fields.items():
            told = expected.fields.get(name)
            if told is None or told[1] < unknown_until:
                self.result.unchecked[UNRECORDED_FIELDS] += 1
            elif told[0] != value or isinstance(told[0], bool) is not isinstance(value, bool):
                fault = StateFault(expected.kind, row.id, name, value, told[0], told[1])
                self._fault(fault, row, expected)
        if row.unreadable is not None:
            fault = StateFault(
                expected.kind, row.id, ROW, row.unreadable, "could be read", expected.since
            )
            self._fault(fault, row, expected)

    def _presence(self, expected: Expected, home: Expected | None) -> Presence:
        """Whether the row must exist, also by its parent."""
        if home is not None:
            if home.fields.get("gone", (None, 0))[1] > expected.since:
                return Presence.GONE
            if home.fields.get("unknown_until", (None, 0))[1] > expected.since:
                return Presence.ENDED
        presence = expected.presence
        if expected.kind == "rotation":
            presence = self._presence_of_rotation(expected)
        if home is not None and home.presence is Presence.ENDED and home.since > expected.since:
            # Its organization is being deleted.
            return min(presence, Presence.ENDED)
        return presence

    def _presence_of_rotation(self, rotation: Expected) -> Presence:
        key = self.state.find("api_key", rotation.value("key_id") or "")
        if key is not None and key.fields.get("gone", (None, 0))[1] > rotation.since:
            return Presence.GONE
        ends_at = rotation.value("expires_at")
        is_over = rotation.value("state") == "grace" and (ends_at is None or ends_at <= self.now)
        if is_over or (key is not None and key.presence is not Presence.LIVES):
            return min(rotation.presence, Presence.ENDED)
        return rotation.presence

    def _fault(self, fault: StateFault, row: FoundRow | None, expected: Expected | None) -> None:
        self.result.fault_count += 1
        self.tell(Difference(fault, row, expected))


def _is_before(created_at: str | None, pruned_until: str | None, home: Expected | None) -> bool:
    """Whether a row may be older than all known events."""
    untold = home.value("unknown_until") if home is not None else None
    known_from = max(filter(None, (pruned_until, untold)), default=None)
    return known_from is not None and created_at is not None and created_at <= known_from


def _side_by_side(
    found: Iterable[FoundRow], expected: Iterable[Expected]
) -> Iterator[tuple[FoundRow | None, Expected | None]]:
    """Merge join: each id once, with its rows; both are in the order of their ids' bytes."""
    mine, theirs = iter(found), iter(expected)
    row, other = next(mine, None), next(theirs, None)
    while row is not None or other is not None:
        left = None if row is None else _bytes(row.id)
        right = None if other is None else _bytes(other.id)
        if right is None or (left is not None and left < right):
            yield row, None
            row = next(mine, None)
        elif left is None or right < left:
            yield None, other
            other = next(theirs, None)
        else:
            yield row, other
            row, other = next(mine, None), next(theirs, None)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
