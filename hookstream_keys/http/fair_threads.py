"""Slow work beside the event loop: on a few threads, in fair order.

What takes long and writes nothing, such as a password check, has a turn here, a few at once. Others
wait in a queue that is fair to every flow (`fair_queue`), such as a user or an organization. When
it is full, load shedding rejects the one that would begin last.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from hookstream_keys.domain.errors import Overloaded
from hookstream_keys.runtime.fair_queue import FairQueue
from hookstream_keys.store.aside import Aside, Result

#: Done without a result when the turn begins; fails when it is rejected.
_Turn = asyncio.Future[None]


class FairThreads:
    """Turns for one event loop, the one that `turn` is called from.

    At most `at_once`, each with a thread, and `waiting` more that wait for one.
    """

    def __init__(self, name: str, at_once: int, waiting: int) -> None:
        self._threads = ThreadPoolExecutor(at_once, name)
        self._free = at_once
        self._queue: FairQueue[_Turn] = FairQueue(waiting)

    @asynccontextmanager
    async def turn(self, flows: Iterable[str]) -> AsyncIterator[Aside]:
        """A block that waits for its turn, with what runs a function on a thread.

        Raises Overloaded.
        """
        turn: _Turn = asyncio.get_running_loop().create_future()
        rejected = self._queue.push(turn, flows)
        if rejected is not None and not rejected.done():
            rejected.set_exception(Overloaded())
        self._begin()
        try:
            await turn
            yield self._on_thread
        finally:
            # Also when the request was cancelled between the two.
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._free += 1
                self._begin()

    async def _on_thread(self, function: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)

    def _begin(self) -> None:
        """Begin turns while there are free threads."""
        while self._free and len(self._queue):
            turn = self._queue.pop()
            # A turn whose request was cancelled does not begin.
            if not turn.done():
                self._free -= 1
                turn.set_result(None)
