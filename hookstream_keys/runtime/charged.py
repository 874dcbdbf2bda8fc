"""Charging the time that a request takes of the event loop, piece by piece."""

from collections.abc import Awaitable, Callable, Generator
from typing import Any


class Charged:
    """Awaits the work of `name`, and charges the time of each piece to it, `overhead` once."""

    __slots__ = ("_charge", "_name", "_overhead", "_used", "_work")

    def __init__(
        self,
        work: Awaitable[None],
        name: str,
        used: Callable[[], float],
        charge: Callable[[str, float], object],
        overhead: float,
    ) -> None:
        self._work = work
        self._name = name
        self._used = used
        self._charge = charge
        self._overhead = overhead

    def __await__(self) -> Generator[Any, Any, None]:
        pieces = self._work.__await__()
        failure: BaseException | None = None
        beside = self._overhead
        while True:
            begun = self._used()
            try:
                waited_for = next(pieces) if failure is None else pieces.throw(failure)
            except StopIteration:
                return
            finally:
                self._charge(self._name, self._used() - begun + beside)
                beside = 0.0
            try:
                yield waited_for
                failure = None
            except BaseException as error:  # noqa: BLE001 - for the coroutine, such as a cancellation
                failure = error
