"""Fair shares of the event loop: tenants with expensive requests wait while others have requests.

A request runs on the event loop piece by piece, and nothing interrupts a piece. So the more of the
loop's time one tenant takes, the longer others wait for a free moment. Here every piece is charged
to its tenant, and a tenant that has taken more than its share waits before its next request: as
long as its last ones took where one tenant alone is busy, so that it has half of the time. Several
busy tenants have the half together, unless there are no others. A tenant alone never waits.

This is rate-based scheduling: unlike fair queueing, it lets the loop be idle while a busy tenant
waits. Otherwise a client with one request at a time would find an expensive one of another tenant
begun whenever it comes back.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from typing import Any

from hookstream_keys.domain.errors import Overloaded

#: How long a tenant counts as active after a request, in seconds: once or twice this.
ACTIVE_SECONDS = 0.05
#: How far a tenant may be ahead of its share before it waits, in seconds. It is the resolution of
#: the event loop's timers, and more than a usual request takes.
TOLERANCE = 0.001
#: What a request takes beside its measured pieces, in seconds: HTTP, routing, authentication.
OVERHEAD = 0.00005
#: How long a request waits for its share at most, in seconds; then it is rejected.
MAX_WAIT = 5.0
#: How many requests of a tenant wait at most; more are rejected. It is a part of what a worker
#: accepts (`edge.MAX_REQUESTS`), which the tenant would otherwise use up for all.
MAX_WAITING = 1_000


class _Tenant:
    """What a tenant has used, and which of its requests wait."""

    __slots__ = ("free_at", "has_turn", "timer", "waiting")

    def __init__(self) -> None:
        #: When it has no more than its share, by the clock.
        self.free_at = 0.0
        #: Since when each waits.
        self.waiting: deque[tuple[asyncio.Future[None], float]] = deque()
        self.timer: asyncio.TimerHandle | None = None
        #: Whether a request that waited has its turn, and was not charged yet.
        self.has_turn = False


class FairShare:
    """Runs the requests of one event loop.

    `clock` is in seconds, as is `used`, the CPU time of the thread: what a piece waits for, such as
    the interpreter's lock, is not what it has used.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.perf_counter,
        used: Callable[[], float] = time.thread_time,
    ) -> None:
        self._clock = clock
        self._used = used
        #: Those that were active in this period, which ends at `_ends`, and in the one before.
        self._active: set[str] = set()
        self._earlier: set[str] = set()
        self._ends = 0.0
        #: Those that are, or were lately, ahead of their share.
        self._tenants: dict[str, _Tenant] = {}
        #: How many of them have requests that wait.
        self._busy = 0

    def run(
        self, name: str, work: Callable[..., Awaitable[None]], *arguments: Any
    ) -> Awaitable[None]:
        """`work` of the tenant `name`, to be awaited at once: in its turn. Raises Overloaded."""
        now = self._clock()
        if now >= self._ends:
            self._begin_period(now)
        active = self._active
        active.add(name)
        if len(active) == 1 and name not in self._tenants and self._earlier <= active:
            # Nothing of it is measured for a tenant alone.
            return work(*arguments)
        return self._in_turn(name, now, work, *arguments)

    async def _in_turn(
        self, name: str, now: float, work: Callable[..., Awaitable[None]], *arguments: Any
    ) -> None:
        tenant = self._tenants.get(name)
        if tenant is not None and (tenant.waiting or tenant.free_at - now > TOLERANCE):
            await self._turn(tenant, now)
        await _Charged(work(*arguments), name, self._used, self._charge)

    def _begin_period(self, now: float) -> None:
        self._earlier = self._active if now - self._ends < ACTIVE_SECONDS else set()
        self._active = set()
        self._ends = now + ACTIVE_SECONDS
        if self._tenants:
            self._tenants = {
                name: tenant
                for name, tenant in self._tenants.items()
                if tenant.waiting or tenant.free_at > now
            }

    def _charge(self, name: str, seconds: float) -> None:
        tenant = self._tenants.get(name)
        active = max(len(self._active), len(self._earlier))
        if tenant is None:
            if active == 1:
                return
            tenant = self._tenants[name] = _Tenant()
        busy = max(1, self._busy)
        others = busy - 1 if busy >= active else 2 * busy - 1
        # From when it began: what runs within the tolerance adds up.
        began = self._clock() - seconds
        tenant.free_at = max(tenant.free_at, began) + seconds * (1 + others)
        tenant.has_turn = False
        self._arm(tenant)

    async def _turn(self, tenant: _Tenant, now: float) -> None:
        """Wait until the tenant may run this request, after those that wait already.

        Raises Overloaded when too many do, or it has waited for too long.
        """
        if len(tenant.waiting) >= MAX_WAITING:
            raise Overloaded
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not tenant.waiting:
            self._busy += 1
        tenant.waiting.append((turn, now))
        self._arm(tenant)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                # Its turn had come: it is the next one's.
                tenant.has_turn = False
                self._arm(tenant)
            raise

    def _arm(self, tenant: _Tenant) -> None:
        """Give the next request its turn when the tenant is not ahead of its share any more."""
        if tenant.waiting and tenant.timer is None and not tenant.has_turn:
            wait = max(0.0, tenant.free_at - self._clock())
            tenant.timer = asyncio.get_running_loop().call_later(wait, self._give_turn, tenant)

    def _give_turn(self, tenant: _Tenant) -> None:
        """Give one request its turn. When it was charged, the next one's is known."""
        tenant.timer = None
        now = self._clock()
        if tenant.free_at - now > TOLERANCE:
            # It was charged meanwhile.
            self._arm(tenant)
            return
        latest = now - MAX_WAIT
        while tenant.waiting and not tenant.has_turn:
            turn, since = tenant.waiting.popleft()
            # It was cancelled meanwhile.
            if turn.done():
                continue
            if since < latest:
                turn.set_exception(Overloaded())
            else:
                turn.set_result(None)
                tenant.has_turn = True
        if not tenant.waiting:
            self._busy -= 1


class _Charged:
    """Awaits the work of the tenant `name`, and charges the time of each piece to it."""

    __slots__ = ("_charge", "_name", "_used", "_work")

    def __init__(
        self,
        work: Awaitable[None],
        name: str,
        used: Callable[[], float],
        charge: Callable[[str, float], None],
    ) -> None:
        self._work = work
        self._name = name
        self._used = used
        self._charge = charge

    def __await__(self) -> Generator[Any, Any, None]:
        pieces = self._work.__await__()
        failure: BaseException | None = None
        beside = OVERHEAD
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
