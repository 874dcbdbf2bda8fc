"""Slow work beside the event loop: on a few threads, in fair order.

What takes long and writes nothing, such as a password check, runs here, a few jobs at once. Others
wait in a queue that is fair to every flow (`fair_queue`), such as a user or an organization. When
it is full, load shedding rejects the job that would begin last.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from hookstream_keys.domain.errors import Overloaded
from hookstream_keys.runtime.fair_queue import FairQueue
from hookstream_keys.store.inline import run_inline

Result = TypeVar("Result")

#: Done without a result when the job may begin; fails when it is rejected.
_Turn = asyncio.Future[None]


class FairThreads:
    """Runs jobs for one event loop, the one that `run` is called from.

    At most `at_once` threads, and `waiting` jobs that wait for one.
    """

    def __init__(self, name: str, at_once: int, waiting: int) -> None:
        self._threads = ThreadPoolExecutor(at_once, name)
        self._free = at_once
        self._queue: FairQueue[_Turn] = FairQueue(waiting)

    async def run(
        self, job: Callable[[], Coroutine[Any, Any, Result]], flows: Iterable[str]
    ) -> Result:
        """What `job` returns or raises, after its turn in the queue. Raises Overloaded.

        It never suspends: it is run to its end on its thread.
        """
        loop = asyncio.get_running_loop()
        turn: _Turn = loop.create_future()
        rejected = self._queue.push(turn, flows)
        if rejected is not None and not rejected.done():
            rejected.set_exception(Overloaded())
        self._begin()
        try:
            await turn
            return await loop.run_in_executor(self._threads, lambda: run_inline(job()))
        finally:
            # Also when the request was cancelled between the two.
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._free += 1
                self._begin()

    def _begin(self) -> None:
        """Begin jobs while there are free threads."""
        while self._free and len(self._queue):
            turn = self._queue.pop()
            # A job whose request was cancelled does not begin.
            if not turn.done():
                self._free -= 1
                turn.set_result(None)
