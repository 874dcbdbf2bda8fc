"""Coroutines that are run to their end where they are."""

import asyncio

import pytest

from hookstream_keys.store.inline import run_inline


async def three() -> int:
    return 3


async def failing() -> int:
    raise ValueError("no")


def test_it_returns_what_the_coroutine_returns_also_inside_an_event_loop() -> None:
    async def outer() -> tuple[int, int]:
        return await three(), run_inline(three())

    assert run_inline(three()) == 3
    assert asyncio.run(outer()) == (3, 3)


def test_it_raises_what_the_coroutine_raises() -> None:
    with pytest.raises(ValueError, match="no"):
        run_inline(failing())


def test_a_coroutine_that_suspends_is_closed_and_refused() -> None:
    ended = []

    async def waiting() -> None:
        try:
            await asyncio.sleep(0)
        finally:
            ended.append(True)

    with pytest.raises(RuntimeError, match="needs an event loop"):
        run_inline(waiting())
    assert ended == [True]
