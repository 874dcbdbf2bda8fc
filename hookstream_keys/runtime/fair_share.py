"""Fair shares of the event loop: tenants with expensive requests wait while others have requests.

A request runs on the event loop piece by piece, and nothing interrupts a piece. So the more of the
loop's time one tenant takes, the longer others wait for a free moment. Here every piece is charged
to its tenant, and a tenant that has taken more than its share waits before its next request: as
long as its last ones took where one tenant alone is busy, so that it has half of the time. Several
busy tenants have the half together, unless there are no others. A tenant alone never waits.

This is rate-based scheduling: unlike fair queueing, it lets the loop be idle while a busy tenant
waits. Otherwise a client with one request at a time would find an expensive one of another tenant
begun whenever it comes back.

Unauthenticated clients wait in the same way (`client_shares`). A tenant alone with many connections
gets a time slice of each iteration of the event loop (`time_slices`).
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from hookstream_keys.domain.errors import Overloaded
from hookstream_keys.runtime.charged import Charged
from hookstream_keys.runtime.client_shares import ClientShares
from hookstream_keys.runtime.share_limits import MAX_WAIT, MAX_WAITING, OVERHEAD, TOLERANCE
from hookstream_keys.runtime.time_slices import SLICE, SOCKETS, Sockets, TimeSlices

#: How long a tenant counts as active after a request, in seconds: once or twice this.
ACTIVE_SECONDS = 0.05


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
        sockets: Sockets = SOCKETS,
    ) -> None:
        self._clock = clock
        self._used = used
        self._sockets = sockets
        #: Those that were active in this period, which ends at `_ends`, and in the one before.
        self._active: set[str] = set()
        self._earlier: set[str] = set()
        self._ends = 0.0
        #: Those that are, or were lately, ahead of their share.
        self._tenants: dict[str, _Tenant] = {}
        #: How many of them have requests that wait.
        self._busy = 0
        #: Of unauthenticated clients.
        self.clients = ClientShares(self, clock, used)
        #: The tenant alone, and until when it need not be asked whether it still is: the end of
        #: its time slice, or of the period.
        self._alone = ""
        self._alone_until = 0.0
        self._slices = TimeSlices(clock)

    def run(
        self, name: str, work: Callable[..., Awaitable[None]], *arguments: Any
    ) -> Awaitable[None]:
        """`work` of the tenant `name`, to be awaited at once: in its turn. Raises Overloaded."""
        now = self._clock()
        if now < self._alone_until and name == self._alone:
            return work(*arguments)
        if now >= self._ends:
            self._begin_period(now)
        active = self._active
        active.add(name)
        if len(active) > 1 or name in self._tenants or not self._earlier <= active:
            self._alone_until = 0.0
            return self._in_turn(name, now, work, *arguments)
        # Nothing is measured for a tenant alone.
        if not self._sockets.were_read or self._slices.follow:
            return self._in_slice(name, work, *arguments)
        self._sockets.were_read = False
        self._alone = name
        self._alone_until = min(now + SLICE, self._ends)
        return work(*arguments)

    async def _in_turn(
        self, name: str, now: float, work: Callable[..., Awaitable[None]], *arguments: Any
    ) -> None:
        tenant = self._tenants.get(name)
        if tenant is not None and (tenant.waiting or tenant.free_at - now > TOLERANCE):
            await self._turn(tenant, now)
        await Charged(work(*arguments), name, self._used, self._charge, OVERHEAD)

    async def _in_slice(
        self, name: str, work: Callable[..., Awaitable[None]], *arguments: Any
    ) -> None:
        self._alone_until = 0.0
        now = await self._slices.turn()
        if not self._has_others(name) and name not in self._tenants:
            await work(*arguments)
        else:
            await self._in_turn(name, now, work, *arguments)

    def others_are_active(self, name: str) -> bool:
        """Whether any tenant but this one is active."""
        now = self._clock()
        if now >= self._ends:
            self._begin_period(now)
        return self._has_others(name)

    def _has_others(self, name: str) -> bool:
        return not self._active | self._earlier <= {name}

    def busy_tenants(self) -> int:
        """How many tenants have requests that wait."""
        return self._busy

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
        self.clients.begin_period(now)

    def _charge(self, name: str, seconds: float) -> None:
        tenant = self._tenants.get(name)
        active = max(len(self._active), len(self._earlier))
        if tenant is None:
            if active == 1:
                return
            tenant = self._tenants[name] = _Tenant()
        tenants = max(1, self._busy)
        busy = tenants + 1 if self.clients.busy else tenants
        others = busy - 1 if tenants >= active else 2 * busy - 1
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
            # Rounded up or down to the milliseconds of uvloop's timers, it is within the tolerance.
            wait = max(0.0, tenant.free_at - TOLERANCE / 2 - self._clock())
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
