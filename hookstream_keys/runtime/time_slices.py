"""Time slices: what does not fit into an iteration of the event loop waits for the next one.

A tenant alone with many connections could fill an iteration with its requests, for seconds. Between
iterations sockets are read, so that others can become active.
"""

import asyncio
from collections import deque
from collections.abc import Callable

#: How much of an iteration of the event loop a tenant alone has, in seconds.
SLICE = 0.005
#: How many of its requests may begin in a slice at most.
MAX_PER_SLICE = 128


class Sockets:
    """Whether the event loop has read sockets since the last time slice began.

    It reads them between its iterations. The HTTP protocol sets it, at the cost of one assignment.
    """

    __slots__ = ("were_read",)

    def __init__(self) -> None:
        self.were_read = True


#: Those of this process.
SOCKETS = Sockets()


class TimeSlices:
    """The requests that wait for a slice, in their order. `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._waiting: deque[asyncio.Future[None]] = deque()
        #: Those to which a slice was given that was over then.
        self._postponed: list[asyncio.Future[None]] = []
        #: When the slice ends, once its first request has begun, and how many have.
        self._ends = 0.0
        self._begun = 0
        #: Whether another slice follows.
        self.follow = False

    async def turn(self) -> float:
        """Wait for a slice that has room; returns the time by the clock."""
        loop = asyncio.get_running_loop()
        if not self.follow:
            self.follow = True
            loop.call_soon(self._begin)
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        await turn
        while (now := self._clock()) >= self._ends and self._begun:
            turn = loop.create_future()
            self._postponed.append(turn)
            await turn
        if not self._begun:
            self._ends = now + SLICE
        self._begun += 1
        return now

    def _begin(self) -> None:
        """Give requests the slice that is the next iteration of the event loop.

        Its first request begins in any case, and others until it is over. It is given to some more
        than have begun in the last one.
        """
        self._waiting.extendleft(reversed(self._postponed))
        self._postponed.clear()
        number = min(2 * self._begun + 2, MAX_PER_SLICE)
        self._begun = 0
        self.follow = bool(self._waiting)
        for _ in range(min(number, len(self._waiting))):
            turn = self._waiting.popleft()
            # It was cancelled meanwhile.
            if not turn.done():
                turn.set_result(None)
        if self.follow:
            # After those, and before what is read meanwhile.
            asyncio.get_running_loop().call_soon(self._begin)
