"""The writer thread: group commit, load shedding and periodic tasks.

Every commit waits for the disk. So jobs that arrive while others run, or while their commit waits,
share one transaction, each in a savepoint of its own, and are answered after its commit. A job that
fails rolls back to its savepoint; when the transaction itself fails, all of its jobs fail.

Backpressure: jobs that would wait longer than `MAX_QUEUE_SECONDS` are rejected (503), at once while
the disk hangs, so that clients can retry in time.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Coroutine, Hashable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from hookstream_keys.domain.errors import Overloaded
from hookstream_keys.runtime.jobs import Job, Outcome, Task, outcome, resolve, run_task, wait_after
from hookstream_keys.runtime.usage import FLUSH_SECONDS
from hookstream_keys.store import Store, StoreError
from hookstream_keys.store.inline import run_inline

Result = TypeVar("Result")

#: How many jobs share a commit at most, so that the first does not wait long for the last.
MAX_BATCH = 128
#: How many jobs wait at most; more are rejected.
MAX_QUEUED = 2_000
#: How long a job waits at most, in seconds; also how long a transaction may take before all jobs
#: that wait for it are rejected. With the wait for the database's lock, a client is answered within
#: ten seconds.
MAX_QUEUE_SECONDS = 5.0


class Writer:
    """Runs jobs that write into `store`, and the `periodic_tasks`.

    A task that returns True has more to do, and runs again soon; one that returns a number, after
    so many seconds. When the writer stops, the tasks run once more, then those `at_end`: no other
    thread writes.
    """

    def __init__(
        self,
        store: Store,
        periodic_tasks: Sequence[Task] = (),
        every: float = FLUSH_SECONDS,
        at_end: Sequence[Task] = (),
    ) -> None:
        self._store = store
        self._every = every
        #: Each task with when it is due, by `time.monotonic`.
        self._periodic_tasks = dict.fromkeys(periodic_tasks, 0.0)
        self._at_end = at_end
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        #: When the current work began, by `time.monotonic`.
        self._busy_since: float | None = None
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    async def stop(self) -> None:
        """Finish the jobs that wait, then the periodic tasks, and stop."""
        self._jobs.put(None)
        self._thread.join()

    async def run(
        self, job: Callable[[], Coroutine[Any, Any, Result]], _: Hashable = None
    ) -> Result:
        """What `job` returns or raises, after its commit, whichever flow it is of.

        Raises Overloaded when too many jobs wait, or the wait would exceed `MAX_QUEUE_SECONDS`.
        """
        now, busy_since = time.monotonic(), self._busy_since
        if busy_since is not None and now - busy_since > MAX_QUEUE_SECONDS:
            self._reject_queued()
            raise Overloaded
        if self._jobs.qsize() >= MAX_QUEUED:
            raise Overloaded
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._jobs.put(Job(job, loop, future, now))
        return await future

    def _reject_queued(self) -> None:
        """Reject all jobs that wait, while the disk hangs."""
        _reject(self._take_queued(MAX_QUEUED))

    def _take_queued(self, limit: int) -> list[Job]:
        """Take jobs from the queue, at most so many."""
        waiting: list[Job] = []
        with suppress(queue.Empty):
            while len(waiting) < limit:
                job = self._jobs.get_nowait()
                if job is None:
                    # The stop marker: it stays the last in the queue.
                    self._jobs.put(None)
                    break
                waiting.append(job)
        return waiting

    def _work(self) -> None:
        begun = time.monotonic()
        self._periodic_tasks = dict.fromkeys(self._periodic_tasks, begun + self._every)
        working = True
        while working:
            first: list[Job] = []
            next_due = min(self._periodic_tasks.values(), default=time.monotonic() + self._every)
            try:
                job = self._jobs.get(timeout=max(0.0, next_due - time.monotonic()))
            except queue.Empty:
                pass  # a periodic task is due
            else:
                if job is None:
                    working = False
                else:
                    first.append(job)
            self._busy_since = time.monotonic()
            first = _reject_late(first)
            if first:
                self._run_batch(first)
            if time.monotonic() >= next_due:
                self._busy_since = time.monotonic()
                self._run_periodic_tasks(self._busy_since)
            self._busy_since = None
        self._run_periodic_tasks()
        for task in self._at_end:
            run_inline(run_task(task))

    def _run_batch(self, first: list[Job]) -> None:
        """Run jobs, and those that arrive meanwhile, in one group commit."""
        # All of these are answered, also when the transaction cannot begin.
        jobs = list(first)
        outcomes: list[Outcome] = []
        try:
            run_inline(self._run_together(jobs, outcomes))
        except StoreError as error:
            # Those that seemed to succeed are rolled back as well.
            outcomes = [(None, error)] * len(jobs)
        _answer(jobs, outcomes)

    async def _run_together(self, jobs: list[Job], outcomes: list[Outcome]) -> None:
        """Run these jobs, and those that arrive, which are added to them."""
        async with self._store.group_commit():
            more = list(jobs)
            while more:
                outcomes += [await outcome(job) for job in more]
                more = []
                if not self._jobs.empty():
                    more = _reject_late(self._take_queued(MAX_BATCH - len(jobs)))
                    jobs += more

    def _run_periodic_tasks(self, now: float = float("inf")) -> None:
        """Run the tasks that are due at `now`."""
        for task, due in self._periodic_tasks.items():
            if due <= now:
                wait = wait_after(run_inline(run_task(task)), self._every)
                self._periodic_tasks[task] = time.monotonic() + wait


def _reject_late(jobs: list[Job]) -> list[Job]:
    """Reject the jobs that have waited for too long; returns the others."""
    latest = time.monotonic() - MAX_QUEUE_SECONDS
    # They are in order of arrival.
    if not jobs or jobs[0].since >= latest:
        return jobs
    late = [job for job in jobs if job.since < latest]
    _reject(late)
    return jobs[len(late) :]


def _reject(jobs: list[Job]) -> None:
    _answer(jobs, [(None, Overloaded())] * len(jobs))


def _answer(jobs: list[Job], outcomes: list[Outcome]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, tuple[list[Job], list[Outcome]]] = {}
    for job, found in zip(jobs, outcomes, strict=True):
        answered, answers = by_loop.setdefault(job.loop, ([], []))
        answered.append(job)
        answers.append(found)
    for loop, done in by_loop.items():
        loop.call_soon_threadsafe(resolve, *done)
