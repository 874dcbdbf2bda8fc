"""Fair shares of the event loop, in virtual time: nothing here depends on the machine's speed."""

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hookstream_keys.domain.errors import Overloaded
from hookstream_keys.runtime import client_shares, fair_share
from hookstream_keys.runtime.fair_share import FairShare
from hookstream_keys.runtime.share_limits import MAX_WAIT, TOLERANCE
from hookstream_keys.runtime.time_slices import SLICE, Sockets

SECONDS = 2.0
CHEAP, EXPENSIVE = 0.0001, 0.005


class VirtualTime(asyncio.SelectorEventLoop):
    """An event loop whose time passes only by waiting for a timer, and by `use`."""

    def __init__(self) -> None:
        super().__init__(_Waiting(self))
        self.now = 0.0
        self.sockets = Sockets()

    def time(self) -> float:
        return self.now

    def use(self, seconds: float) -> None:
        """Let a piece of work take so long."""
        self.now += seconds


class _Waiting(selectors.SelectSelector):
    def __init__(self, loop: VirtualTime) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        self._loop.now += timeout or 0.0
        self._loop.sockets.were_read = True
        return super().select(0)


class Play:
    """Tenants whose clients send a request as soon as the last one is answered."""

    def __init__(self, loop: VirtualTime) -> None:
        self.loop = loop
        self.share = FairShare(loop.time, loop.time, loop.sockets)
        self.latencies: dict[str, list[float]] = {}
        self.used: dict[str, float] = {}

    async def request(self, tenant: str, cost: float) -> None:
        async def work() -> None:
            self.loop.use(cost)
            # What waits at the end is answered after it.
            if self.loop.now <= SECONDS:
                self.used[tenant] = self.used.get(tenant, 0.0) + cost

        begun = self.loop.now
        await self.share.run(tenant, work)
        self.latencies.setdefault(tenant, []).append(self.loop.now - begun)

    async def client(self, tenant: str, cost: float, pause: float) -> None:
        while self.loop.now < SECONDS:
            # What HTTP and the client take.
            await asyncio.sleep(pause)
            await self.request(tenant, cost)

    async def refused(self, address: str, cost: float, pause: float) -> None:
        """A client whose requests are refused: it waits after the work, not before."""
        while self.loop.now < SECONDS:
            await asyncio.sleep(pause)
            self.loop.use(cost)
            self.used[address] = self.used.get(address, 0.0) + cost
            await asyncio.sleep(self.share.clients.charge(address, cost))

    async def public(self, address: str, cost: float, pause: float) -> None:
        """A client of a public operation."""

        async def work() -> None:
            self.loop.use(cost)
            self.used[address] = self.used.get(address, 0.0) + cost

        while self.loop.now < SECONDS:
            await asyncio.sleep(pause)
            await self.share.clients.give_way(address)
            await self.share.clients.run(address, work)

    def share_of(self, tenant: str) -> float:
        return self.used[tenant] / SECONDS

    def percentile(self, tenant: str, percent: int) -> float:
        ordered = sorted(self.latencies[tenant])
        return ordered[len(ordered) * percent // 100]


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Any:
    # Virtual time has no HTTP.
    monkeypatch.setattr(fair_share, "OVERHEAD", 0.0)
    monkeypatch.setattr(client_shares, "OVERHEAD", 0.0)
    loop = VirtualTime()
    yield loop
    loop.close()


def play(loop: VirtualTime, *clients: tuple[str, float, float, int]) -> Play:
    """Clients of a tenant, by the cost of their requests, their pause, and their number."""
    played = Play(loop)

    async def main() -> None:
        # Active before the others begin.
        await played.request(clients[-1][0], CHEAP)
        await asyncio.gather(
            *(
                played.client(tenant, cost, pause)
                for tenant, cost, pause, number in clients
                for _ in range(number)
            )
        )

    loop.run_until_complete(main())
    return played


def test_a_tenant_alone_has_all_of_the_loop(loop: VirtualTime) -> None:
    played = play(loop, ("busy", EXPENSIVE, CHEAP, 4))
    assert played.share_of("busy") > 0.95


@pytest.mark.parametrize("cost", [EXPENSIVE, 0.0005, CHEAP])
@pytest.mark.parametrize("clients", [1, 4, 100])
def test_a_busy_tenant_has_at_most_half_beside_another(
    loop: VirtualTime, cost: float, clients: int
) -> None:
    played = play(loop, ("busy", cost, CHEAP, clients), ("light", CHEAP, 0.001, 1))
    assert played.share_of("busy") < 0.55
    # Half of the requests find the loop free, and the others wait for one request of the other.
    assert played.percentile("light", 50) <= 2 * CHEAP
    assert played.percentile("light", 99) <= cost + TOLERANCE + CHEAP


def test_a_busy_tenant_has_what_the_other_leaves(loop: VirtualTime) -> None:
    """The other sends too rarely to be active all the time."""
    played = play(loop, ("busy", EXPENSIVE, CHEAP, 4), ("light", CHEAP, 0.5, 1))
    assert played.share_of("busy") > 0.75


def test_several_busy_tenants_have_half_together(loop: VirtualTime) -> None:
    busy = [(f"busy {number}", EXPENSIVE, CHEAP, 4) for number in range(4)]
    played = play(loop, *busy, ("light", CHEAP, 0.001, 1))
    shares = [played.share_of(name) for name, *_ in busy]
    assert sum(shares) < 0.6
    assert max(shares) < 1.2 * min(shares)
    assert played.percentile("light", 50) <= 2 * CHEAP


def test_busy_tenants_without_others_share_all_of_it(loop: VirtualTime) -> None:
    played = play(loop, ("one", EXPENSIVE, CHEAP, 4), ("two", 0.001, CHEAP, 4))
    assert played.share_of("one") + played.share_of("two") > 0.75
    assert min(played.share_of("one"), played.share_of("two")) > 0.25


def test_what_waits_for_too_long_is_rejected(
    loop: VirtualTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fair_share, "MAX_WAIT", 0.1)

    async def main() -> list[BaseException | None]:
        played = Play(loop)
        await played.request("light", CHEAP)
        waiting = [played.request("busy", EXPENSIVE) for _ in range(100)]
        # The other stays active.
        rest = asyncio.ensure_future(played.client("light", CHEAP, 0.01))
        found = await asyncio.gather(*waiting, return_exceptions=True)
        rest.cancel()
        return found

    found = loop.run_until_complete(main())
    rejected = [each for each in found if isinstance(each, Overloaded)]
    # Some ten fit in: each takes 5 ms and as long a wait.
    assert 80 <= len(rejected) <= 92
    assert all(each is None for each in found if each not in rejected)


def test_more_than_may_wait_are_rejected(
    loop: VirtualTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fair_share, "MAX_WAITING", 10)

    async def scenario(played: Play) -> None:
        waiting = [played.request("busy", CHEAP) for _ in range(15)]
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert [isinstance(each, Overloaded) for each in found] == [False] * 10 + [True] * 5
        # Those of others are not.
        await played.request("light", CHEAP)

    in_turns(loop, scenario)


def in_turns(loop: VirtualTime, scenario: Callable[[Play], Awaitable[None]]) -> None:
    async def main() -> None:
        played = Play(loop)
        await played.request("light", CHEAP)
        await played.request("busy", 0.02)
        await scenario(played)

    loop.run_until_complete(main())


def test_a_request_that_is_cancelled_leaves_its_turn_to_the_next(loop: VirtualTime) -> None:
    async def scenario(played: Play) -> None:
        tasks = [asyncio.ensure_future(played.request("busy", CHEAP)) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        await tasks[1]
        await tasks[2]
        assert tasks[0].cancelled()

    in_turns(loop, scenario)


def test_a_request_that_is_cancelled_in_its_turn_leaves_it_to_the_next(loop: VirtualTime) -> None:
    async def scenario(played: Play) -> None:
        first = asyncio.ensure_future(played.request("busy", CHEAP))
        second = asyncio.ensure_future(played.request("busy", CHEAP))
        await asyncio.sleep(0)
        loop.use(0.1)
        # Between the turn and the task's next step.
        played.share._give_turn(played.share._tenants["busy"])
        first.cancel()
        await second
        assert first.cancelled()

    in_turns(loop, scenario)


def test_what_the_work_raises_or_awaits_passes_through(loop: VirtualTime) -> None:
    async def fails() -> None:
        await asyncio.sleep(CHEAP)
        raise LookupError("no")

    async def catches() -> None:
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            caught.append("cancelled")
            raise

    caught: list[str] = []

    async def scenario(played: Play) -> None:
        with pytest.raises(LookupError):
            await played.share.run("light", fails)
        task = asyncio.ensure_future(played.share.run("light", catches))
        await asyncio.sleep(CHEAP)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert caught == ["cancelled"]

    in_turns(loop, scenario)


def test_tenants_are_forgotten_when_they_are_within_their_share(loop: VirtualTime) -> None:
    async def scenario(played: Play) -> None:
        assert "busy" in played.share._tenants
        await asyncio.sleep(1)
        await played.request("light", CHEAP)
        assert "busy" not in played.share._tenants

    in_turns(loop, scenario)


# Time slices


def burst(loop: VirtualTime, number: int, cost: float) -> Play:
    """Requests of one tenant, ready at once, and one of another that comes a millisecond later."""
    played = Play(loop)
    order: list[int] = []

    async def one(index: int) -> None:
        await played.request("busy", cost)
        order.append(index)

    async def main() -> None:
        loop.sockets.were_read = True
        tasks = [asyncio.ensure_future(one(index)) for index in range(number)]
        done = loop.create_future()
        loop.call_at(loop.now + 0.001, done.set_result, None)
        await done
        arrived = 0.001
        await played.request("light", CHEAP)
        played.latencies["light"] = [loop.now - arrived]
        await asyncio.gather(*tasks)

    loop.run_until_complete(main())
    assert order == sorted(order)
    assert len(order) == number
    return played


@pytest.mark.parametrize(("number", "cost"), [(1000, CHEAP), (100, 0.003), (20, 0.02)])
def test_a_tenant_alone_delays_another_by_little_more_than_a_slice(
    loop: VirtualTime, number: int, cost: float
) -> None:
    played = burst(loop, number, cost)
    # The slice in which it comes, one that was given by then, and what ran over them.
    assert played.latencies["light"][0] <= 2 * (SLICE + cost) + CHEAP


def test_slices_cost_a_tenant_alone_nothing(loop: VirtualTime) -> None:
    played = play(loop, ("busy", CHEAP, 0.0, 1000))
    assert played.share_of("busy") > 0.99
    # All have their turn.
    assert played.percentile("busy", 99) <= 3 * 1000 * CHEAP


def test_a_request_that_is_cancelled_while_it_waits_for_a_slice_delays_no_other(
    loop: VirtualTime,
) -> None:
    async def main() -> None:
        played = Play(loop)
        tasks = [asyncio.ensure_future(played.request("busy", EXPENSIVE)) for _ in range(10)]
        await asyncio.sleep(0)
        for task in tasks[2:9]:
            task.cancel()
        await tasks[9]
        assert loop.now == pytest.approx(3 * EXPENSIVE)

    loop.run_until_complete(main())


# Unauthenticated clients


async def _beside(played: Play, *floods: Awaitable[None]) -> None:
    await played.request("light", CHEAP)
    await asyncio.gather(played.client("light", CHEAP, 0.001), *floods)


@pytest.mark.parametrize("kind", ["refused", "public"])
@pytest.mark.parametrize("clients", [1, 16, 1000])
def test_an_address_has_at_most_half_beside_a_tenant(
    loop: VirtualTime, monkeypatch: pytest.MonkeyPatch, clients: int, kind: str
) -> None:
    # As large as what is measured of a public operation, as it is in fact.
    monkeypatch.setattr(fair_share, "OVERHEAD", CHEAP)
    monkeypatch.setattr(client_shares, "OVERHEAD", CHEAP)
    played = Play(loop)
    flood = getattr(played, kind)
    loop.run_until_complete(
        _beside(played, *(flood("address", CHEAP, CHEAP) for _ in range(clients)))
    )
    # Beside what comes at once, before any of it was charged.
    at_once = clients * CHEAP / SECONDS
    assert 0.1 < played.share_of("address") < 0.53 + at_once
    assert played.percentile("light", 50) <= 3 * CHEAP


def test_addresses_have_half_together(loop: VirtualTime) -> None:
    played = Play(loop)
    floods = [played.refused(f"address {n}", CHEAP, 0.0) for n in range(20) for _ in range(4)]
    loop.run_until_complete(_beside(played, *floods))
    shares = [played.share_of(f"address {n}") for n in range(20)]
    assert sum(shares) < 0.6
    assert max(shares) < 1.5 * min(shares)


def test_no_tenant_waits_for_addresses(loop: VirtualTime) -> None:
    played = Play(loop)

    async def main() -> None:
        clients = (played.client("busy", EXPENSIVE, CHEAP) for _ in range(4))
        await asyncio.gather(*clients, played.refused("address", CHEAP, 0.01))

    loop.run_until_complete(main())
    assert played.share_of("busy") > 0.95


def test_an_address_does_not_wait_without_a_tenant(loop: VirtualTime) -> None:
    played = Play(loop)

    async def main() -> None:
        await asyncio.gather(*(played.refused("address", CHEAP, 0.0) for _ in range(4)))

    loop.run_until_complete(main())
    assert played.share_of("address") > 0.99


def test_a_request_within_the_share_of_its_address_does_not_wait(loop: VirtualTime) -> None:
    async def scenario(played: Play) -> None:
        assert played.share.clients.charge("address", CHEAP) == 0.0
        # Within the tolerance of the timers.
        assert played.share.clients.charge("address", EXPENSIVE) == 0.0
        assert played.share.clients.charge("address", 1000.0) == pytest.approx(
            2 * (2 if played.share._busy else 1) * (CHEAP + EXPENSIVE)
        )
        # However much it has taken.
        assert played.share.clients.charge("address", CHEAP) == MAX_WAIT
        assert played.share.clients.charge("another", CHEAP) == 0.0

    in_turns(loop, scenario)


def test_more_requests_of_addresses_than_may_wait_are_rejected(
    loop: VirtualTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_shares, "MAX_WAITING", 1)

    async def scenario(played: Play) -> None:
        share = played.share
        share.clients.charge("address", EXPENSIVE)
        waiting = asyncio.ensure_future(share.clients.give_way("address"))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await share.clients.give_way("address")
        # Another address need not wait; and a preflight does not, rather than being rejected.
        await share.clients.give_way("another")
        await share.clients.give_way("address", may_reject=False)
        assert not waiting.done()
        await waiting

    in_turns(loop, scenario)
