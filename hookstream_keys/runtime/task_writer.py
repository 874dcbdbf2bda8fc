"""The writer on an engine of the network: jobs as tasks of the event loop.

Jobs of one tenant share a transaction (group commit): they would wait for the lock of its
organization anyway, and a commit, which waits for the disks of two machines, is the longest of it.
Those of other tenants run beside it, in turn, each on a connection of its own. When a transaction
fails for another one, its jobs run again; where that does not help, each alone, so that one which
fails fails no other.

Backpressure is that of the writer thread (`writer`).
"""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Coroutine, Hashable, Sequence
from typing import Any, TypeVar

from hookstream_keys.domain.errors import Overloaded
from hookstream_keys.runtime.jobs import Job, Outcome, Task, outcome, resolve, run_task, wait_after
from hookstream_keys.runtime.usage import FLUSH_SECONDS
from hookstream_keys.runtime.writer import MAX_BATCH, MAX_QUEUE_SECONDS, MAX_QUEUED
from hookstream_keys.store import Store, StoreError, StoreUnavailable, TransactionConflict

log = logging.getLogger("hookstream_keys")

Result = TypeVar("Result")

#: How many transactions run at once. The pool has more connections, which reads are left.
AT_ONCE = 6
#: How often the jobs of a failed transaction run together, then how often each alone.
TOGETHER, ALONE = 2, 4
#: How long is waited before that at most, in seconds: at random, so that two nodes do not meet
#: again.
PAUSE_SECONDS = 0.05


class TaskWriter:
    """Runs jobs that write into `store`, and the `periodic_tasks`, on one event loop.

    The tasks are as those of `Writer`.
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
        self._periodic_tasks = periodic_tasks
        self._at_end = at_end
        #: The jobs of each flow that has any.
        self._flows: dict[Hashable, deque[Job]] = {}
        #: Flows whose turn comes, in order.
        self._ready: deque[Hashable] = deque()
        self._waiting = 0
        self._running: set[asyncio.Task[None]] = set()
        self._repeating: list[asyncio.Task[None]] = []
        self._is_stopping = asyncio.Event()

    def start(self) -> None:
        """Begin the periodic tasks."""
        self._repeating = [
            asyncio.create_task(self._repeat(task), name="periodic task")
            for task in self._periodic_tasks
        ]

    async def stop(self) -> None:
        """Finish the jobs that wait, then the periodic tasks, and stop."""
        while self._running:
            await asyncio.wait(self._running)
        self._is_stopping.set()
        if self._repeating:
            await asyncio.wait(self._repeating)
        for task in (*self._periodic_tasks, *self._at_end):
            await run_task(task)

    async def run(
        self, job: Callable[[], Coroutine[Any, Any, Result]], flow: Hashable = None
    ) -> Result:
        """What `job` returns or raises, after its commit; `flow` is its tenant, if it has one.

        Raises Overloaded when too many jobs wait, or the wait would exceed `MAX_QUEUE_SECONDS`.
        """
        if self._waiting >= MAX_QUEUED:
            raise Overloaded
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        if flow is None:
            # A flow of its own.
            flow = future
        jobs = self._flows.get(flow)
        if jobs is None:
            jobs = self._flows[flow] = deque()
            self._ready.append(flow)
        jobs.append(Job(job, loop, future, time.monotonic()))
        self._waiting += 1
        self._begin()
        return await future

    def _begin(self) -> None:
        while self._ready and len(self._running) < AT_ONCE:
            task = asyncio.create_task(self._work(self._ready.popleft()), name="write")
            self._running.add(task)
            task.add_done_callback(self._end)

    def _end(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        self._begin()

    async def _work(self, flow: Hashable) -> None:
        """Run the jobs of a flow that wait, at most so many. The others have their turn later."""
        queue = self._flows[flow]
        jobs = [queue.popleft() for _ in range(min(len(queue), MAX_BATCH))]
        self._waiting -= len(jobs)
        latest = time.monotonic() - MAX_QUEUE_SECONDS
        late = [job for job in jobs if job.since < latest]
        resolve(late, [(None, Overloaded())] * len(late))
        jobs = jobs[len(late) :]
        try:
            if jobs:
                resolve(jobs, await self._outcomes(jobs))
        except Exception as error:
            log.exception("a transaction failed")
            resolve(jobs, [(None, error)] * len(jobs))
        finally:
            if queue:
                self._ready.append(flow)
            else:
                del self._flows[flow]

    async def _outcomes(self, jobs: Sequence[Job]) -> list[Outcome]:
        try:
            return await self._repeated(jobs, TOGETHER)
        except TransactionConflict:
            return [await self._alone(job) for job in jobs]
        except StoreError as error:
            # Those that seemed to succeed are rolled back as well.
            return [(None, error)] * len(jobs)

    async def _alone(self, job: Job) -> Outcome:
        try:
            return (await self._repeated([job], ALONE))[0]
        except StoreError as error:
            return None, error

    async def _repeated(self, jobs: Sequence[Job], times: int) -> list[Outcome]:
        for _ in range(times - 1):
            try:
                return await self._together(jobs)
            except TransactionConflict:
                await asyncio.sleep(random.uniform(0, PAUSE_SECONDS))  # noqa: S311 - no secret
        return await self._together(jobs)

    async def _together(self, jobs: Sequence[Job]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        async with self._store.group_commit():
            for job in jobs:
                result, failure = await outcome(job)
                if isinstance(failure, StoreUnavailable):
                    # The others would wait as long for the same, such as a lock.
                    raise failure
                outcomes.append((result, failure))
        return outcomes

    async def _repeat(self, task: Task) -> None:
        wait = 0.0
        while not self._is_stopping.is_set():
            try:
                await asyncio.wait_for(self._is_stopping.wait(), wait)
            except TimeoutError:
                wait = wait_after(await run_task(task), self._every)
