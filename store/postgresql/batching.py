"""Batching: what the coroutines of one turn of the event loop ask goes out as one statement.

While a batch is on its way, further questions wait for the next one. So the more is asked at once,
the less each costs, and nothing waits for a timer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

from hookstream_keys.store.errors import StoreUnavailable

Question = TypeVar("Question")
Answer = TypeVar("Answer")

#: How many questions are in a statement at most.
MAX_BATCH = 500


class Batching(Generic[Question, Answer]):
    """Answers questions by `ask`, which gets many and returns their answers in order.

    For one event loop.
    """

    def __init__(self, ask: Callable[[Sequence[Question]], Awaitable[Sequence[Answer]]]) -> None:
        self._ask = ask
        self._waiting: list[tuple[Question, asyncio.Future[Answer]]] = []
        self._task: asyncio.Task[None] | None = None

    def asked(self, question: Question) -> asyncio.Future[Answer]:
        """The answer to come, or what `ask` raises."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((question, future))
        if self._task is None:
            self._task = loop.create_task(self._work())
        return future

    async def _work(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
                # Those whose request is gone are not asked.
                await self._answer([each for each in batch if not each[1].done()])
        finally:
            self._task = None

    async def _answer(self, batch: list[tuple[Question, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._ask([question for question, _ in batch])
        except StoreUnavailable as error:
            # Those that wait would wait as long again, for the same.
            waiting, self._waiting = self._waiting, []
            _fail([*batch, *waiting], error)
            return
        except Exception as error:  # noqa: BLE001 - raised again where the questions came from
            _fail(batch, error)
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)


def _fail(asked: Sequence[tuple[Any, asyncio.Future[Any]]], error: Exception) -> None:
    for _, future in asked:
        if not future.done():
            future.set_exception(error)
            # It counts as seen: where none waits for the answer, none has to be told.
            future.exception()
