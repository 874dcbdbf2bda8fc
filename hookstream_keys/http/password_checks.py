"""Password checks: on threads of their own, in fair order.

A check takes a core for a twentieth of a second and 32 MiB, so only a few run at once; the others
wait in a queue that is fair to every user and every client address (`fair_queue`). When it is full,
load shedding rejects the check that would begin last.
"""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from hookstream_keys.domain.errors import Overloaded
from hookstream_keys.runtime.fair_queue import FairQueue

Result = TypeVar("Result")

#: How many checks run at once in a worker.
PASSWORDS_AT_ONCE = 2
#: How many wait: two seconds' work at a twentieth of a second each.
PASSWORDS_WAITING = 64

#: Done without a result when the check may begin; fails when it is rejected.
_Turn = asyncio.Future[None]


class PasswordChecks:
    """Runs checks for one event loop, the one that `run` is called from."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(PASSWORDS_AT_ONCE, "passwords")
        self._running = 0
        self._queue: FairQueue[_Turn] = FairQueue(PASSWORDS_WAITING)

    async def run(self, check: Callable[[], Result], flows: Iterable[str]) -> Result:
        """What `check` returns or raises, after its turn in the queue. Raises Overloaded."""
        loop = asyncio.get_running_loop()
        turn: _Turn = loop.create_future()
        rejected = self._queue.push(turn, flows)
        if rejected is not None and not rejected.done():
            rejected.set_exception(Overloaded())
        self._begin()
        try:
            await turn
            return await loop.run_in_executor(self._threads, check)
        finally:
            # Also when the request was cancelled between the two.
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._running -= 1
                self._begin()

    def _begin(self) -> None:
        """Begin checks while there are free threads."""
        while self._running < PASSWORDS_AT_ONCE and len(self._queue):
            turn = self._queue.pop()
            # A check whose request was cancelled does not begin.
            if not turn.done():
                self._running += 1
                turn.set_result(None)
