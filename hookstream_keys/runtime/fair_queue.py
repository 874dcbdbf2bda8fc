"""A fair queue: start-time fair queueing over several flows at once.

Every job belongs to flows, here the user and the client address of a password check. A job gets a
tag: one more than the virtual time `V`, which is the tag of the job last begun, and than the tag of
every waiting job of one of its flows. The lowest tag is begun first. So the jobs of one flow stand
one behind another in virtual time, and a flood is served in turn with all other flows.

The bound: a job whose flows have nothing waiting waits for at most one job of each other flow,
and no job that arrives later is begun before it. For that, a tie is decided by whether the job's
flows had nothing waiting, and only then by arrival.

The rule is start-time fair queueing (P. Goyal, H. M. Vin, H. Cheng, SIGCOMM 1996) with jobs of
equal cost. A flow without a waiting job needs no memory: its earlier tags are not above `V`.
"""

from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Job = TypeVar("Job")


@dataclass(frozen=True, slots=True, order=True)
class _Waiting(Generic[Job]):
    tag: int
    #: Whether one of its flows had a job waiting when it arrived.
    follows: bool
    arrival: int
    flows: frozenset[str] = field(compare=False)
    job: Job = field(compare=False)


class FairQueue(Generic[Job]):
    """At most `capacity` jobs, in a fair order. For one thread."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._virtual_time = 0
        self._arrivals = 0
        #: In the order in which they will be begun.
        self._waiting: list[_Waiting[Job]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def push(self, job: Job, flows: Iterable[str]) -> Job | None:
        """Queue a job. Returns the job that is rejected for it, if the queue was full.

        That is the job that would be begun last: one of the flow with the most jobs waiting,
        which may be the new job itself.
        """
        of = frozenset(flows)
        last = max((each.tag for each in self._waiting if each.flows & of), default=None)
        tag = 1 + (self._virtual_time if last is None else max(last, self._virtual_time))
        self._arrivals += 1
        insort(self._waiting, _Waiting(tag, last is not None, self._arrivals, of, job))
        return self._waiting.pop().job if len(self._waiting) > self._capacity else None

    def pop(self) -> Job:
        """Remove the job that begins next. Raises IndexError when none is waiting."""
        first = self._waiting.pop(0)
        self._virtual_time = first.tag
        return first.job
