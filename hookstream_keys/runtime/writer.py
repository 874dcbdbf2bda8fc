"""The writer thread: group commit, load shedding and periodic tasks.

Every commit waits for the disk. So jobs that arrive while others run, or while their commit waits,
share one transaction, each in a savepoint of its own, and are answered after its commit. A job that
fails rolls back to its savepoint; when the transaction itself fails, all of its jobs fail.

Backpressure: jobs that would wait longer than `MAX_QUEUE_SECONDS` are rejected (503), at once while
the disk hangs, so that clients can retry in time.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Coroutine, Hashable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

from hookstream_keys.domain.errors import Overloaded
from hookstream_keys.runtime.usage import FLUSH_SECONDS
from hookstream_keys.store import Store, StoreError
from hookstream_keys.store.inline import run_inline

log = logging.getLogger("hookstream_keys")

Result = TypeVar("Result")
#: A periodic task, which never suspends.
Task = Callable[[], Coroutine[Any, Any, object]]

#: How many jobs share a commit at most, so that the first does not wait long for the last.
MAX_BATCH = 128
#: How many jobs wait at most; more are rejected.
MAX_QUEUED = 2_000
#: How long a job waits at most, in seconds; also how long a transaction may take before all jobs
#: that wait for it are rejected. With the wait for the database's lock, a client is answered within
#: ten seconds.
MAX_QUEUE_SECONDS = 5.0
#: How long until a periodic task that has more to do is run again, in seconds.
RETRY_SECONDS = 0.1


class _Job(NamedTuple):
    run: Callable[[], Coroutine[Any, Any, Any]]
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Any]"
    #: When it arrived, by `time.monotonic`.
    since: float


#: What a job returned, or what it raised.
_Outcome = tuple[Any, Exception | None]


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
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
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
        self._jobs.put(_Job(job, loop, future, now))
        return await future

    def _reject_queued(self) -> None:
        """Reject all jobs that wait, while the disk hangs."""
        _reject(self._take_queued(MAX_QUEUED))

    def _take_queued(self, limit: int) -> list[_Job]:
        """Take jobs from the queue, at most so many."""
        waiting: list[_Job] = []
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
            first: list[_Job] = []
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
            _run_task(task)

    def _run_batch(self, first: list[_Job]) -> None:
        """Run jobs, and those that arrive meanwhile, in one group commit."""
        # All of these are answered, also when the transaction cannot begin.
        jobs = list(first)
        outcomes: list[_Outcome] = []
        try:
            run_inline(self._run_together(jobs, outcomes))
        except StoreError as error:
            # Those that seemed to succeed are rolled back as well.
            outcomes = [(None, error)] * len(jobs)
        _answer(jobs, outcomes)

    async def _run_together(self, jobs: list[_Job], outcomes: list[_Outcome]) -> None:
        """Run these jobs, and those that arrive, which are added to them."""
        async with self._store.group_commit():
            more = list(jobs)
            while more:
                outcomes += [await _outcome(job) for job in more]
                more = []
                if not self._jobs.empty():
                    more = _reject_late(self._take_queued(MAX_BATCH - len(jobs)))
                    jobs += more

    def _run_periodic_tasks(self, now: float = float("inf")) -> None:
        """Run the tasks that are due at `now`."""
        for task, due in self._periodic_tasks.items():
            if due <= now:
                wait = wait_after(_run_task(task), self._every)
                self._periodic_tasks[task] = time.monotonic() + wait


def _run_task(task: Task) -> object:
    try:
        return run_inline(task())
    except Exception:  # a task that fails runs again the next time
        log.exception("a periodic task failed")
        return None


def wait_after(result: object, every: float) -> float:
    """How long until a task that returned `result` runs again, in seconds."""
    if isinstance(result, float):
        return result
    return RETRY_SECONDS if result is True else every


def _reject_late(jobs: list[_Job]) -> list[_Job]:
    """Reject the jobs that have waited for too long; returns the others."""
    latest = time.monotonic() - MAX_QUEUE_SECONDS
    # They are in order of arrival.
    if not jobs or jobs[0].since >= latest:
        return jobs
    late = [job for job in jobs if job.since < latest]
    _reject(late)
    return jobs[len(late) :]


def _reject(jobs: list[_Job]) -> None:
    _answer(jobs, [(None, Overloaded())] * len(jobs))


def _answer(jobs: list[_Job], outcomes: list[_Outcome]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Job, Any, Exception | None]]] = {}
    for job, (result, failure) in zip(jobs, outcomes, strict=True):
        by_loop.setdefault(job.loop, []).append((job, result, failure))
    for loop, done in by_loop.items():
        loop.call_soon_threadsafe(_resolve, done)


async def _outcome(job: _Job) -> _Outcome:
    if job.future.cancelled():
        # Its client is gone (`server/abandoned.py`), and it has not begun.
        return None, None
    try:
        return await job.run(), None
    except Exception as error:  # noqa: BLE001 - raised again where the job came from
        return None, error


def _resolve(done: list[tuple[_Job, Any, Exception | None]]) -> None:
    for job, result, failure in done:
        # It is done already when the request was cancelled.
        if not job.future.done():
            if failure is None:
                job.future.set_result(result)
            else:
                job.future.set_exception(failure)
