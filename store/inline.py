"""Coroutines that never suspend, run to their end where they are.

The methods of `Store` are coroutines, because an engine on the network waits for its answers.
SQLite is called in the process, so its methods never suspend, and what only awaits them needs no
event loop: a thread, a command, or a callback runs it like a function.
"""

from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


def run_inline(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """The result of a coroutine that does not suspend, or what it raises.

    Raises RuntimeError for one that does: it would need an event loop.
    """
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: Result = end.value
        return result
    coroutine.close()
    raise RuntimeError(f"{coroutine} waits, and needs an event loop")
