"""The deadline of an operation: the total time that it may take, with its retries.

httpx's timeouts are no such limit. Each is for a part of an attempt, such as waiting for the next
bytes, and begins again with each part.
"""

import contextvars
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from typing import TypeVar

from hookstream_keys_client.errors import ConnectionFailed

ValueT = TypeVar("ValueT")


class Deadline:
    """So many seconds from now."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """The seconds that are left, 0 or more."""
        return max(0.0, self._end - time.monotonic())

    def shorten(self, timeouts: Mapping[str, float | None]) -> dict[str, float]:
        """The timeouts of an attempt by httpx, none of them longer than what is left."""
        # 0 would be a socket that does not block.
        left = max(self.left, 0.001)
        return {
            part: left if seconds is None else min(seconds, left)
            for part, seconds in timeouts.items()
        }

    def exceeded(self, what: str) -> ConnectionFailed:
        """The exception for a request `what`, such as `GET /health`, that took longer."""
        message = f"{what}: no response within {self.seconds:g} seconds"
        return ConnectionFailed(message, may_have_happened=True)

    def run(self, call: Callable[[], ValueT], what: str) -> ValueT:
        """The result of `call`, or its exception. Raises ConnectionFailed at the deadline.

        It runs in a thread: a socket that brings a byte now and then cannot be interrupted. After
        the deadline the thread goes on until its attempt ends, so httpx's limit of connections
        also bounds the number of such threads.
        """
        future: Future[ValueT] = Future()

        def work() -> None:
            try:
                future.set_result(call())
            except BaseException as error:  # noqa: BLE001 - it is raised in the caller's thread
                future.set_exception(error)

        thread = threading.Thread(
            target=contextvars.copy_context().run, args=(work,), name="deadline", daemon=True
        )
        if not _start(thread):
            raise ConnectionFailed(f"{what}: no thread can start", may_have_happened=False)
        if wait([future], self.left).not_done:
            raise self.exceeded(what)
        return future.result()


def _start(thread: threading.Thread) -> bool:
    """Start a thread; False if the process has as many as it may have."""
    try:
        thread.start()
    except RuntimeError:
        return False
    return True
