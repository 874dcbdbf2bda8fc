"""How long functions take, each without the watched ones that it calls."""

import functools
import inspect
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any


class Stopwatch:
    """Watches functions of one thread. None of them may be left and entered again meanwhile."""

    def __init__(self) -> None:
        #: Nanoseconds by name.
        self.spent: dict[str, int] = defaultdict(int)
        self._running: list[str] = []
        self._since = 0

    def watch(self, name: str, owner: Any, function: str) -> None:
        """Count the time of a function of a class or module as that of `name`, from now on."""
        setattr(owner, function, self.watched(name, getattr(owner, function)))

    def clear(self) -> None:
        """Forget what was counted."""
        self.spent.clear()

    def watched(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, the time of which counts as that of `name`."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def watched(*arguments: Any, **named: Any) -> Any:
                self._enter(name)
                try:
                    return await function(*arguments, **named)
                finally:
                    self._leave()
        else:

            @functools.wraps(function)
            def watched(*arguments: Any, **named: Any) -> Any:
                self._enter(name)
                try:
                    return function(*arguments, **named)
                finally:
                    self._leave()

        return watched

    def _enter(self, name: str) -> None:
        self._charge()
        self._running.append(name)

    def _leave(self) -> None:
        self._charge()
        self._running.pop()

    def _charge(self) -> None:
        now = time.perf_counter_ns()
        if self._running:
            self.spent[self._running[-1]] += now - self._since
        self._since = now
