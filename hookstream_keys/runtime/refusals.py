"""Refused attempts, recorded in the audit log in a bounded number of events.

Refusals of known users (at sign-in) and of known keys are counted in memory by reason, client
address and, of a key, prefix of the secret. The first of a kind is an event within seconds; more of
the same within the hour are one more event when the hour is over, or when the server stops. A
worker that is killed loses the counts that it has not written.

The bound, for each worker: of a user or key at most `MAX_ADDRESSES` addresses are told apart in an
hour, the others are counted together under none; and at most `MAX_SUBJECTS` users and as many keys
are kept in an hour, of one organization at most `MAX_KEYS_OF_ORGANIZATION` keys, so that no tenant
uses up the others' share. Attempts at further ones are counted in the server's log.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from hookstream_keys.store import AuditEvent, CommitUnknown, Store, StoreError

log = logging.getLogger("hookstream_keys")

#: How long refusals of one user or key are counted together, in seconds.
WINDOW_SECONDS = 3600.0
#: How many client addresses are counted separately for one user or key.
MAX_ADDRESSES = 20
#: How many users, and how many keys, refusals are counted for at once.
MAX_SUBJECTS = 2_000
#: How many keys of one organization.
MAX_KEYS_OF_ORGANIZATION = 200
#: How many events are written in one transaction.
_BATCH = 100


class Refused(NamedTuple):
    """One attempt that was refused, or several: `times`, from `first_at` to `last_at`."""

    kind: Literal["sign_in", "api_key"]
    #: The id of the user or key.
    subject: str
    #: Why: a code of verification's, or of sign-in.
    reason: str
    #: The client's, or None when unknown or one of too many.
    address: str | None
    #: Of the first of these attempts, as `first_at`.
    request_id: str
    first_at: str
    last_at: str
    #: Of a key, the prefix of the secret that was used: a key in rotation has several.
    key_prefix: str | None = None
    #: The key's organization.
    org_id: str | None = None
    times: int = 1

    @property
    def shares(self) -> dict[str, int]:
        """The quotas that it counts for, with their sizes."""
        shares: dict[str, int] = {self.kind: MAX_SUBJECTS}
        if self.org_id is not None:
            shares[f"keys of {self.org_id}"] = MAX_KEYS_OF_ORGANIZATION
        return shares


#: Records a refusal, as `Refusals.note` does.
Note = Callable[[Refused], None]
#: The audit event of refusals; None where their user or key is gone.
Recorded = Callable[[Refused], Coroutine[Any, Any, AuditEvent | None]]


def not_noted(_: Refused) -> None:
    """Record nothing: the command line authenticates no caller."""


_Counter = tuple[str, str | None, str | None]


@dataclass(slots=True)
class _Subject:
    """The refusals of one user or key."""

    #: When its hour ends.
    until: float
    #: The quotas that it counts for.
    shares: tuple[str, ...]
    addresses: set[str] = field(default_factory=set)
    #: Refusals that are not written yet, by reason, address and prefix.
    counted: dict[_Counter, Refused] = field(default_factory=dict)
    #: Those of which an event was written.
    written: set[_Counter] = field(default_factory=set)


_Key = tuple[str, str]


class Refusals:
    """Collects refusals for the store `store`. Safe to use from several threads."""

    def __init__(
        self, store: Store, recorded: Recorded, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._recorded = recorded
        self._clock = clock
        self._lock = threading.Lock()
        #: In the order in which their hours end.
        self._subjects: dict[_Key, _Subject] = {}
        #: How much of each quota is used.
        self._places: Counter[str] = Counter()
        #: Subjects with a counter of which nothing was written: a dictionary, so that events are in
        #: the order of the refusals in every process.
        self._fresh: dict[_Key, None] = {}
        self._dropped = 0
        #: What is written next. Used by the writer thread only.
        self._pending: list[Refused] = []

    def note(self, refused: Refused) -> None:
        """Record a refusal."""
        key = refused.kind, refused.subject
        with self._lock:
            subject = self._subjects.get(key)
            if subject is None:
                shares = refused.shares
                if any(self._places[share] >= most for share, most in shares.items()):
                    self._dropped += refused.times
                    return
                subject = _Subject(self._clock() + WINDOW_SECONDS, tuple(shares))
                self._subjects[key] = subject
                self._places.update(subject.shares)
            self._count(key, subject, refused)

    async def flush(self) -> bool:
        """Write some of the first refusals of each kind, and of the hours that are over.

        Returns whether there are more. What cannot be written now is written the next time.
        """
        if not self._pending:
            now = self._clock()
            with self._lock:
                self._pending = self._take_over(now) + self._take_fresh()
                dropped, self._dropped = self._dropped, 0
            if dropped:
                log.warning("%d refused attempts at further users and keys, not on record", dropped)
        return await self._write_batch()

    async def close(self) -> None:
        """Write everything, when the server stops."""
        with self._lock:
            self._pending += self._take_over(float("inf"))
        while await self._write_batch():
            pass

    def _count(self, key: _Key, subject: _Subject, refused: Refused) -> None:
        address = refused.address
        if address is not None and address not in subject.addresses:
            if len(subject.addresses) < MAX_ADDRESSES:
                subject.addresses.add(address)
            else:
                address = None
        counter = refused.reason, address, refused.key_prefix
        before = subject.counted.get(counter)
        if before is None:
            subject.counted[counter] = refused._replace(address=address)
        else:
            subject.counted[counter] = before._replace(
                last_at=max(before.last_at, refused.last_at), times=before.times + refused.times
            )
        if counter not in subject.written:
            self._fresh[key] = None

    def _take_over(self, now: float) -> list[Refused]:
        """Remove the subjects whose hour is over; returns their refusals."""
        found: list[Refused] = []
        while self._subjects:
            key, subject = next(iter(self._subjects.items()))
            if subject.until > now:
                break
            del self._subjects[key]
            for share in subject.shares:
                self._places[share] -= 1
                if not self._places[share]:
                    del self._places[share]
            self._fresh.pop(key, None)
            found += subject.counted.values()
        return found

    def _take_fresh(self) -> list[Refused]:
        """The refusals of reasons and addresses of which nothing was written."""
        found: list[Refused] = []
        for key in self._fresh:
            subject = self._subjects[key]
            for counter in [each for each in subject.counted if each not in subject.written]:
                found.append(subject.counted.pop(counter))
                subject.written.add(counter)
        self._fresh.clear()
        return sorted(found, key=lambda each: each.first_at)

    async def _write_batch(self) -> bool:
        """Write a batch; returns whether there is another that can be written now."""
        batch = self._pending[:_BATCH]
        try:
            found = [await self._recorded(each) for each in batch]
            events = [event for event in found if event is not None]
            if events:
                await self._store.add_events(events)
        except CommitUnknown as error:
            # Once too few rather than twice.
            log.warning("refusals may not have been recorded: %s", error)
        except StoreError as error:
            log.warning("refusals were not recorded, and will be later: %s", error)
            return False
        del self._pending[:_BATCH]
        return bool(self._pending)
