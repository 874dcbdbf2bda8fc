"""Coroutines of the store, for tests that are no coroutines themselves."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from hookstream_keys.store.inline import run_inline

Result = TypeVar("Result")


def result_of(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """What a coroutine of a store, or of what calls one, returns or raises."""
    return run_inline(coroutine)


def as_coroutine(function: Callable[[], Result]) -> Callable[[], Coroutine[Any, Any, Result]]:
    """A coroutine function that does what a plain one does."""

    async def call() -> Result:
        return function()

    return call
