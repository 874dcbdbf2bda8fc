"""Functions that run beside the event loop."""

from collections.abc import Callable
from typing import Protocol, TypeVar

Result = TypeVar("Result")


class Aside(Protocol):
    """Runs a plain function on a thread beside the event loop."""

    async def __call__(self, function: Callable[[], Result], /) -> Result:
        """What the function returns or raises."""


async def here(function: Callable[[], Result]) -> Result:
    """The same where there is no other thread, and nothing waits meanwhile."""
    return function()
