"""The one thread of a process that writes, and has the disk waited for once for many writes.

A write waits for the disk, and every commit waits as long. So what comes while others are done,
or while their commit waits, is done together with what came with it: in one transaction, of which
each job has a part of its own. All are answered when that is on the disk. One that fails takes
nothing of the others with it; should the transaction itself fail, all are told so.

Nobody waits for long: who would is turned away, at once while the disk stands still, so that
a client hears in time that it has to try again.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

from hookstream_keys.domain.errors import Overloaded
from hookstream_keys.runtime.usage import FLUSH_SECONDS
from hookstream_keys.store import Store, StoreError

log = logging.getLogger("hookstream_keys")

Result = TypeVar("Result")

#: So many jobs are done together at most: the first is not to wait for ever for the last.
MAX_BATCH = 128
#: So many wait; more are turned away, before they wait for longer than anybody would.
MAX_QUEUED = 2_000
#: So long a job waits before it is begun, and so long the writer may be at one transaction
#: before nobody may wait for it any more, in seconds. With what the database waits for another
#: writer, a client is answered within ten.
MAX_QUEUE_SECONDS = 5.0


#: How long until a periodic task that has more to do is run again, in seconds.
AGAIN_SECONDS = 0.1


class _Job(NamedTuple):
    do: Callable[[], Any]
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Any]"
    #: When it came, by `time.monotonic`.
    since: float


#: What a job returned, or what it raised.
_Outcome = tuple[Any, Exception | None]


class Writer:
    """Does jobs that write into `store`, and now and then the `chores`.

    A chore that returns True has more to do, and is run again soon. When the writer stops they are
    run once more, and after them those `at_end`: no other thread writes.
    """

    def __init__(
        self,
        store: Store,
        periodic_tasks: Sequence[Callable[[], object]] = (),
        every: float = FLUSH_SECONDS,
        at_end: Sequence[Callable[[], object]] = (),
    ) -> None:
        self._store = store
        self._every = every
        #: Each with when it is due, by `time.monotonic`.
        self._chores = dict.fromkeys(periodic_tasks, 0.0)
        self._at_end = at_end
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        #: Since when it is at what it is doing, by `time.monotonic`.
        self._busy_since: float | None = None
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self) -> None:
        """Do what is there, the chores last, and no more after that."""
        self._jobs.put(None)
        self._thread.join()

    async def run(self, job: Callable[[], Result]) -> Result:
        """What `job` returns or raises, when what it wrote is on the disk.

        Raises Overloaded when too many are waiting already, or it would wait for too long.
        """
        now, busy_since = time.monotonic(), self._busy_since
        if busy_since is not None and now - busy_since > MAX_QUEUE_SECONDS:
            self._turn_away()
            raise Overloaded
        if self._jobs.qsize() >= MAX_QUEUED:
            raise Overloaded
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._jobs.put(_Job(job, loop, future, now))
        return await future

    def _turn_away(self) -> None:
        """Answer those who wait while the disk stands still: they have waited long enough."""
        waiting = self._waiting(MAX_QUEUED)
        _answer(waiting, [(None, Overloaded())] * len(waiting))

    def _waiting(self, most: int) -> list[_Job]:
        """Take what waits, but no more than so many."""
        waiting: list[_Job] = []
        with suppress(queue.Empty):
            while len(waiting) < most:
                job = self._jobs.get_nowait()
                if job is None:
                    # It is to stop when all of this is done; nobody comes after that.
                    self._jobs.put(None)
                    break
                waiting.append(job)
        return waiting

    def _work(self) -> None:
        begun = time.monotonic()
        self._chores = dict.fromkeys(self._chores, begun + self._every)
        working = True
        while working:
            first: list[_Job] = []
            next_chore = min(self._chores.values(), default=time.monotonic() + self._every)
            try:
                job = self._jobs.get(timeout=max(0.0, next_chore - time.monotonic()))
            except queue.Empty:
                # It is time for the chores.
                pass
            else:
                if job is None:
                    working = False
                else:
                    first.append(job)
            self._busy_since = time.monotonic()
            first = _in_time(first)
            if first:
                self._do(first)
            if time.monotonic() >= next_chore:
                self._busy_since = time.monotonic()
                self._do_chores(self._busy_since)
            self._busy_since = None
        self._do_chores()
        for task in self._at_end:
            _run(task)

    def _do(self, first: list[_Job]) -> None:
        """Do jobs, and with them what comes before they are done; the disk is waited for once."""
        # All of these are answered, also when the transaction cannot be begun.
        jobs, more = list(first), first
        outcomes: list[_Outcome] = []
        try:
            with self._store.group_commit():
                while more:
                    outcomes += [_outcome(job.do) for job in more]
                    more = []
                    if not self._jobs.empty():
                        more = _in_time(self._waiting(MAX_BATCH - len(jobs)))
                        jobs += more
        except StoreError as error:
            # Also of those that seemed to succeed nothing is left.
            outcomes = [(None, error)] * len(jobs)
        _answer(jobs, outcomes)

    def _do_chores(self, now: float = float("inf")) -> None:
        """Do the chores that are due at `now`."""
        for chore, due in self._chores.items():
            if due <= now:
                wait = AGAIN_SECONDS if _run(chore) is True else self._every
                self._chores[chore] = time.monotonic() + wait


def _run(chore: Callable[[], object]) -> object:
    try:
        return chore()
    except Exception:  # a chore that fails is done again the next time
        log.exception("a chore failed")
        return None


def _in_time(jobs: list[_Job]) -> list[_Job]:
    """Those of the jobs that have not waited for too long; the others are turned away."""
    latest = time.monotonic() - MAX_QUEUE_SECONDS
    # They are in the order in which they came.
    if not jobs or jobs[0].since >= latest:
        return jobs
    late = [job for job in jobs if job.since < latest]
    _answer(late, [(None, Overloaded())] * len(late))
    return jobs[len(late) :]


def _answer(jobs: list[_Job], outcomes: list[_Outcome]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Job, Any, Exception | None]]] = {}
    for job, (result, failure) in zip(jobs, outcomes, strict=True):
        by_loop.setdefault(job.loop, []).append((job, result, failure))
    for loop, done in by_loop.items():
        loop.call_soon_threadsafe(_tell, done)


def _outcome(do: Callable[[], Any]) -> _Outcome:
    try:
        return do(), None
    except Exception as error:  # noqa: BLE001 - raised again where the job came from
        return None, error


def _tell(done: list[tuple[_Job, Any, Exception | None]]) -> None:
    for job, result, failure in done:
        # Who has gone away does not want to know.
        if not job.future.done():
            if failure is None:
                job.future.set_result(result)
            else:
                job.future.set_exception(failure)
