"""How often Python functions are entered, on every thread.

A function counts when it is entered, not when a coroutine goes on after waiting: how often
one waits is a matter of time. For the same reason the event loop and the threads' own
machinery do not count. What is left is the same in every run.
"""

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any

#: Modules whose functions are entered as often as something has to be waited for.
_WAITING = ("asyncio.", "concurrent.futures.", "queue", "selectors", "threading")


@dataclass
class Entries:
    """What was entered while `counts`."""

    counts: bool = False
    _of: Counter[tuple[str, CodeType]] = field(default_factory=Counter)
    _instructions: dict[CodeType, bytes] = field(default_factory=dict)

    def take(self, frame: FrameType, event: str, _: Any) -> None:
        """Take an event of the interpreter, as `sys.setprofile` reports it."""
        if event != "call" or not self.counts:
            return
        code = frame.f_code
        if code not in self._instructions:
            self._instructions[code] = code.co_code
        # RESUME's argument is 0 where a function begins, and tells otherwise why it goes on.
        if self._instructions[code][frame.f_lasti + 1] == 0:
            self._of[frame.f_globals.get("__name__", "?"), code] += 1

    def by_name(self) -> dict[str, int]:
        """How often which function was entered, without those that wait."""
        named: Counter[str] = Counter()
        for (module, code), number in self._of.items():
            if not module.startswith(_WAITING):
                named[f"{module}.{code.co_qualname}"] += number
        return dict(named)

    def clear(self) -> None:
        """Forget what was entered."""
        self._of.clear()


@contextmanager
def profiling(entries: Entries) -> Iterator[None]:
    """Hand events to `entries`: of this thread, and of all that are started in the block."""
    threading.setprofile(entries.take)
    sys.setprofile(entries.take)
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
