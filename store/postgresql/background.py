"""An event loop in a thread of its own, for threads that have none, such as a command's.

A driver's connection belongs to one loop, so all of a process's threads share this one. Each thread
has one context for all that it runs here: a block that one call enters holds for the next calls.
"""

import asyncio
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from typing import Any, TypeVar

Result = TypeVar("Result")


class _Loop:
    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._local = threading.local()

    def loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                name = "store's event loop"
                threading.Thread(target=self._loop.run_forever, name=name, daemon=True).start()
            return self._loop

    def context(self) -> Context:
        context: Context | None = getattr(self._local, "context", None)
        if context is None:
            context = self._local.context = copy_context()
        return context


_shared = _Loop()
# A forked process has the loop, and not its thread.
os.register_at_fork(after_in_child=_shared.begin)


def run_apart(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """The same on a loop of its own, for once: also from a coroutine, which it holds up."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """The result of a coroutine, or what it raises. Not to be called on an event loop."""
    loop = _shared.loop()

    async def call() -> Result:
        # Of the calling thread's context, in which what it sets stays.
        return await loop.create_task(coroutine, context=context)

    context = _shared.context()
    return asyncio.run_coroutine_threadsafe(call(), loop).result()
