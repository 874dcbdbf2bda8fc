"""The one thread of a process that writes: what comes while it writes is written with the next.

A write waits for the disk, and every commit waits as long. So jobs that have come meanwhile
are done together, in one transaction of which each has a part of its own, and are answered
when that is on the disk. One that fails takes nothing of the others with it; should the
transaction itself fail, all are told so.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from hookstream_keys.errors import Overloaded
from hookstream_keys.store import Store, StoreError
from hookstream_keys.usage import FLUSH_SECONDS

log = logging.getLogger("hookstream_keys")

Result = TypeVar("Result")

#: So many jobs are done together at most: the first is not to wait for ever for the last.
MOST_TOGETHER = 128
#: So many wait; more are turned away, before they wait for longer than anybody would.
MOST_WAITING = 2_000


class _Job(NamedTuple):
    do: Callable[[], Any]
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Any]"


class Writer:
    """Does jobs that write into `store`, and now and then the `chores`."""

    def __init__(
        self, store: Store, chores: Sequence[Callable[[], None]] = (), every: float = FLUSH_SECONDS
    ) -> None:
        self._store = store
        self._chores = chores
        self._every = every
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self) -> None:
        """Do what is there, the chores last, and no more after that."""
        self._jobs.put(None)
        self._thread.join()
        self._do_chores()

    async def run(self, job: Callable[[], Result]) -> Result:
        """What `job` returns or raises, when what it wrote is on the disk.

        Raises Overloaded when too many are waiting already.
        """
        if self._jobs.qsize() >= MOST_WAITING:
            raise Overloaded
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._jobs.put(_Job(job, loop, future))
        return await future

    def _work(self) -> None:
        next_chores = time.monotonic() + self._every
        working = True
        while working:
            jobs: list[_Job] = []
            try:
                job = self._jobs.get(timeout=max(0.0, next_chores - time.monotonic()))
                while job is not None:
                    jobs.append(job)
                    if len(jobs) == MOST_TOGETHER:
                        break
                    job = self._jobs.get_nowait()
                working = job is not None
            except queue.Empty:
                pass
            if jobs:
                self._do(jobs)
            if time.monotonic() >= next_chores:
                self._do_chores()
                next_chores = time.monotonic() + self._every

    def _do(self, jobs: list[_Job]) -> None:
        outcomes: list[tuple[Any, Exception | None]] = []
        try:
            with self._store.together():
                outcomes += [_outcome(job.do) for job in jobs]
        except StoreError as error:
            # Also of those that seemed to succeed nothing is left.
            outcomes = [(None, error)] * len(jobs)
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Job, Any, Exception | None]]] = {}
        for job, (result, failure) in zip(jobs, outcomes, strict=True):
            by_loop.setdefault(job.loop, []).append((job, result, failure))
        for loop, done in by_loop.items():
            loop.call_soon_threadsafe(_tell, done)

    def _do_chores(self) -> None:
        for chore in self._chores:
            try:
                chore()
            except Exception:  # a chore that fails is done again the next time
                log.exception("a chore failed")


def _outcome(do: Callable[[], Any]) -> tuple[Any, Exception | None]:
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
