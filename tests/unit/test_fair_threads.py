"""Jobs on real threads: in a fair order, so many at once, and rejected when full."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hookstream_keys.domain.errors import Overloaded
from hookstream_keys.http.fair_threads import FairThreads
from hookstream_keys.store.aside import Result

AT_ONCE, WAITING = 2, 64


class Gate:
    """Checks that run until they are let go, and the order in which they began."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self._open = threading.Event()

    def check(self, name: str) -> Callable[[], str]:
        def wait() -> str:
            self.began.append(name)
            assert self._open.wait(10)
            return name

        return wait

    def open(self) -> None:
        self._open.set()


def run(scenario: Callable[[FairThreads, Gate], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        gate = Gate()
        try:
            return await scenario(FairThreads("jobs", AT_ONCE, WAITING), gate)
        finally:
            gate.open()

    return asyncio.run(main())


async def settled() -> None:
    """Run all tasks until they wait for a thread."""
    for _ in range(20):
        await asyncio.sleep(0)


async def begun(gate: Gate, number: int) -> None:
    while len(gate.began) < number:
        await asyncio.sleep(0.005)


async def check(checks: FairThreads, function: Callable[[], Result], *flows: str) -> Result:
    async with checks.turn(flows) as aside:
        return await aside(function)


def start(checks: FairThreads, gate: Gate, name: str, *flows: str) -> "asyncio.Task[str]":
    return asyncio.ensure_future(check(checks, gate.check(name), *(flows or (name,))))


def test_a_check_returns_its_result_or_raises() -> None:
    def fail() -> None:
        raise ValueError("no")

    async def scenario(checks: FairThreads, _: Gate) -> None:
        assert await check(checks, lambda: 7, "a") == 7
        with pytest.raises(ValueError, match="no"):
            await check(checks, fail, "a")
        # Neither is counted as running any more.
        for _number in range(AT_ONCE * 2):
            assert await check(checks, lambda: 7, "a") == 7

    run(scenario)


def test_so_many_run_at_once() -> None:
    async def scenario(checks: FairThreads, gate: Gate) -> None:
        tasks = [start(checks, gate, str(number)) for number in range(6)]
        await begun(gate, AT_ONCE)
        await settled()
        assert len(gate.began) == AT_ONCE
        gate.open()
        assert await asyncio.gather(*tasks) == [str(number) for number in range(6)]

    run(scenario)


def test_a_newcomer_begins_before_the_rest_of_a_flood() -> None:
    async def scenario(checks: FairThreads, gate: Gate) -> None:
        flood = [start(checks, gate, "flood", "user a", f"address {n}") for n in range(30)]
        await begun(gate, AT_ONCE)
        newcomer = start(checks, gate, "newcomer", "user b", "address b")
        await settled()
        gate.open()
        await asyncio.gather(newcomer, *flood)
        assert gate.began.index("newcomer") <= AT_ONCE + 1

    run(scenario)


def test_only_the_flood_is_rejected_when_the_queue_is_full() -> None:
    async def scenario(checks: FairThreads, gate: Gate) -> None:
        many = AT_ONCE + WAITING + 10
        flood = [start(checks, gate, "flood", "user a", "address a") for _ in range(many)]
        await begun(gate, AT_ONCE)
        newcomer = start(checks, gate, "newcomer", "user b", "address b")
        await settled()
        gate.open()
        assert await newcomer == "newcomer"
        found = await asyncio.gather(*flood, return_exceptions=True)
        assert sum(isinstance(each, Overloaded) for each in found) == 11
        assert found.count("flood") == many - 11

    run(scenario)


def test_a_job_cancelled_in_the_queue_never_starts() -> None:
    async def scenario(checks: FairThreads, gate: Gate) -> None:
        running = [start(checks, gate, str(number)) for number in range(AT_ONCE)]
        await begun(gate, AT_ONCE)
        waiting = start(checks, gate, "cancelled")
        last = start(checks, gate, "last")
        await settled()
        waiting.cancel()
        await settled()
        gate.open()
        await asyncio.gather(*running, last)
        assert "cancelled" not in gate.began
        assert gate.began[-1] == "last"

    run(scenario)


def test_a_job_cancelled_while_running_frees_its_slot() -> None:
    async def scenario(checks: FairThreads, gate: Gate) -> None:
        gate.open()
        for _ in range(AT_ONCE * 3):
            task = start(checks, gate, "cancelled")
            await asyncio.sleep(0)
            task.cancel()
            await settled()
        assert await check(checks, lambda: 7, "a") == 7

    run(scenario)
