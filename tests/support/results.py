"""Coroutines of the store, for tests that are no coroutines themselves."""

from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

from hookstream_keys.store import Store
from hookstream_keys.store.inline import run_inline
from support import ON_POSTGRESQL
from support.engines import engines

Result = TypeVar("Result")


def _runner() -> Callable[[Coroutine[Any, Any, Any]], Any]:
    if engines() == ["sqlite"] and not ON_POSTGRESQL:
        return run_inline
    from hookstream_keys.store.postgresql import background

    return background.run


_run = _runner()


def result_of(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """What a coroutine of a store, or of what calls one, returns or raises."""
    result: Result = _run(coroutine)
    return result


@contextmanager
def together(store: Store) -> Iterator[None]:
    """A block whose writes into the store by this thread are in one group commit."""
    with ExitStack() as stack:
        group = store.group_commit()
        result_of(group.__aenter__())

        def leave(*error: Any) -> bool | None:
            return result_of(group.__aexit__(*error))

        stack.push(leave)
        yield


def in_groups(store: Store, count: int, size: int = 100) -> Iterator[int]:
    """Numbers from 0, of which the writes for `size` are in one group commit.

    PostgreSQL ends a transaction that is idle for seconds, as one with all of them may be.
    """
    for first in range(0, count, size):
        with together(store):
            yield from range(first, min(first + size, count))


def as_coroutine(function: Callable[[], Result]) -> Callable[[], Coroutine[Any, Any, Result]]:
    """A coroutine function that does what a plain one does."""

    async def call() -> Result:
        return function()

    return call
