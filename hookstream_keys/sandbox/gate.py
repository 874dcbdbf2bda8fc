"""What keeps requests out of a world while it is reset, and after it is deleted."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress


class Gate:
    """Counts the requests that are inside, so that a reset can wait for them.

    It belongs to the event loop's thread.
    """

    def __init__(self) -> None:
        self._inside = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._is_open = asyncio.Event()
        self._is_open.set()
        self._closing = asyncio.Lock()
        self._interrupted = asyncio.Event()
        #: How often it was closed: what began before is not to go on afterwards.
        self.generation = 0
        #: Whether the world is deleted.
        self.is_deleted = False

    async def opened(self) -> int:
        """Wait until it is open; returns the generation."""
        await self._is_open.wait()
        return self.generation

    async def pause(self, seconds: float) -> None:
        """Wait so many seconds, or until the generation is another one."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._interrupted.wait(), seconds)

    def interrupt(self) -> None:
        """Begin another generation, and end all pauses of this one."""
        self.generation += 1
        self._interrupted.set()
        self._interrupted = asyncio.Event()

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Be inside, after `opened` and before anything else is awaited."""
        self._inside += 1
        self._is_idle.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._is_idle.set()

    @asynccontextmanager
    async def closed(self) -> AsyncIterator[None]:
        """Close it, once all that is inside has left; others wait until the block ends."""
        async with self._closing:
            self.interrupt()
            self._is_open.clear()
            try:
                await self._is_idle.wait()
                yield
            finally:
                self._is_open.set()
