"""Jobs that write, and periodic tasks: what the writer thread and the task writer share."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, NamedTuple

from hookstream_keys.store import StoreError, TransactionConflict

log = logging.getLogger("hookstream_keys")

#: A periodic task.
Task = Callable[[], Coroutine[Any, Any, object]]

#: How long until a periodic task that has more to do is run again, in seconds.
RETRY_SECONDS = 0.1


class Job(NamedTuple):
    """A coroutine function that writes, and what waits for it."""

    run: Callable[[], Coroutine[Any, Any, Any]]
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Any]"
    #: When it arrived, by `time.monotonic`.
    since: float


#: What a job returned, or what it raised.
Outcome = tuple[Any, Exception | None]


async def outcome(job: Job) -> Outcome:
    """Run a job of a transaction. Raises TransactionConflict, which is of all of its jobs."""
    if job.future.cancelled():
        # Its client is gone (`server/abandoned.py`), and it has not begun.
        return None, None
    try:
        return await job.run(), None
    except TransactionConflict:
        raise
    except Exception as error:  # noqa: BLE001 - raised again where the job came from
        return None, error


def resolve(jobs: Iterable[Job], outcomes: Iterable[Outcome]) -> None:
    """Answer jobs of one event loop, on it."""
    for job, (result, failure) in zip(jobs, outcomes, strict=True):
        # It is done already when the request was cancelled.
        if not job.future.done():
            if failure is None:
                job.future.set_result(result)
            else:
                job.future.set_exception(failure)


async def run_task(task: Task) -> object:
    """What a periodic task returns; None where it fails, which is logged."""
    try:
        return await task()
    except StoreError as error:
        # The database's state, not a mistake that a traceback explains.
        log.error("a periodic task failed: %s", error)  # noqa: TRY400
        return None
    except Exception:  # a task that fails runs again the next time
        log.exception("a periodic task failed")
        return None


def wait_after(result: object, every: float) -> float:
    """How long until a task that returned `result` runs again, in seconds."""
    if isinstance(result, float):
        return result
    return RETRY_SECONDS if result is True else every
