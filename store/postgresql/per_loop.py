"""What each event loop has one of, since a driver's connection belongs to one loop."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

Owned = TypeVar("Owned")


class PerLoop(Generic[Owned]):
    """One for each event loop, made when it is first needed."""

    def __init__(self, make: Callable[[], Owned]) -> None:
        self._make = make
        self._owned: dict[asyncio.AbstractEventLoop, Owned] = {}

    def here(self) -> Owned:
        """That of the running loop."""
        loop = asyncio.get_running_loop()
        owned = self._owned.get(loop)
        if owned is None:
            owned = self._owned[loop] = self._make()
        return owned

    def take_all(self) -> dict[asyncio.AbstractEventLoop, Owned]:
        """All of them, by their loops. New ones are made afterwards."""
        owned, self._owned = self._owned, {}
        return owned
