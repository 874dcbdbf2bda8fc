"""Fair shares of the event loop: tenants with expensive requests wait while others have requests.

A request runs on the event loop piece by piece, and nothing interrupts a piece. So the more of the
loop's time one tenant takes, the longer others wait for a free moment. Here every piece is charged
to its tenant, and a tenant that has taken more than its share waits before its next request: as
long as its last ones took where one tenant alone is busy, so that it has half of the time. Several
busy tenants have the half together, unless there are no others. A tenant alone never waits.

This is rate-based scheduling: unlike fair queueing, it lets the loop be idle while a busy tenant
waits. Otherwise a client with one request at a time would find an expensive one of another tenant
begun whenever it comes back.

Unauthenticated clients, by address, wait in the same way, all of them together as one busy tenant.
No tenant waits for them: else a few requests without a credential would halve what one may use.

A tenant alone with many connections could still fill one iteration of the event loop. It gets a
time slice: what does not fit waits until sockets were read, so that others can become active.
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
#: What a request takes beside its measured pieces, in seconds: HTTP, routing, authentication. It is
#: the CPU time of a worker for some thousand requests of a kind (`authorize`, `verify`, lists: 120
#: to 250 µs for each), without what is measured of it (40 to 140 µs). A 401 or 404 takes 65 to 90.
OVERHEAD = 0.0001
#: How much of an iteration of the event loop a tenant alone has, in seconds.
SLICE = 0.005
#: How many of its requests may begin in a slice at most.
MAX_PER_SLICE = 128
#: How long a request waits for its share at most, in seconds; then it is rejected.
MAX_WAIT = 5.0
#: How many requests of a tenant wait at most; more are rejected. It is a part of what a worker
#: accepts (`edge.MAX_REQUESTS`), which the tenant would otherwise use up for all.
MAX_WAITING = 1_000


class Sockets:
    """Whether the event loop has read sockets since the last time slice began.

    It reads them between its iterations. The HTTP protocol sets it, at the cost of one assignment.
    """

    __slots__ = ("were_read",)

    def __init__(self) -> None:
        self.were_read = True


#: Those of this process.
SOCKETS = Sockets()


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
        #: When unauthenticated clients have no more than their share, of those that are ahead of
        #: it; how many were ahead when the period began; and how many of their requests wait.
        self._clients: dict[str, float] = {}
        self._busy_clients = 0
        self._waiting_clients = 0
        #: The tenant alone, and until when it need not be asked whether it still is: the end of
        #: its time slice, or of the period.
        self._alone = ""
        self._alone_until = 0.0
        #: Its requests that wait for a slice; those to which one was given that was over then.
        self._sliced: deque[asyncio.Future[None]] = deque()
        self._postponed: list[asyncio.Future[None]] = []
        #: When the slice ends, once its first request has begun; how many have; whether another
        #: slice follows.
        self._slice_ends = 0.0
        self._in_this_slice = 0
        self._slice_follows = False

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
        if not self._sockets.were_read or self._slice_follows:
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
        await _Charged(work(*arguments), name, self._used, self._charge, OVERHEAD)

    async def _in_slice(
        self, name: str, work: Callable[..., Awaitable[None]], *arguments: Any
    ) -> None:
        loop = asyncio.get_running_loop()
        if not self._slice_follows:
            self._slice_follows = True
            loop.call_soon(self._begin_slice)
        self._alone_until = 0.0
        turn: asyncio.Future[None] = loop.create_future()
        self._sliced.append(turn)
        await turn
        while (now := self._clock()) >= self._slice_ends and self._in_this_slice:
            turn = loop.create_future()
            self._postponed.append(turn)
            await turn
        if not self._in_this_slice:
            self._slice_ends = now + SLICE
        self._in_this_slice += 1
        if self._active | self._earlier <= {name} and name not in self._tenants:
            await work(*arguments)
        else:
            await self._in_turn(name, now, work, *arguments)

    def _begin_slice(self) -> None:
        """Give requests the slice that is the next iteration of the event loop.

        Its first request begins in any case, and others until it is over. It is given to some more
        than have begun in the last one.
        """
        self._sliced.extendleft(reversed(self._postponed))
        self._postponed.clear()
        number = min(2 * self._in_this_slice + 2, MAX_PER_SLICE)
        self._in_this_slice = 0
        self._slice_follows = bool(self._sliced)
        for _ in range(min(number, len(self._sliced))):
            turn = self._sliced.popleft()
            # It was cancelled meanwhile.
            if not turn.done():
                turn.set_result(None)
        if self._slice_follows:
            # After those, and before what is read meanwhile.
            asyncio.get_running_loop().call_soon(self._begin_slice)

    async def give_way(self, client: str, *, may_reject: bool = True) -> None:
        """Wait before a request of an unauthenticated client while it is ahead of its share.

        When too many wait, raises Overloaded, or does not wait if the request may not be rejected.
        """
        wait = self.charge_client(client, OVERHEAD)
        if not wait:
            return
        if self._waiting_clients >= MAX_WAITING:
            if may_reject:
                raise Overloaded
            return
        self._waiting_clients += 1
        try:
            await asyncio.sleep(wait)
        finally:
            self._waiting_clients -= 1

    def run_client(
        self, client: str, work: Callable[..., Awaitable[None]], *arguments: Any
    ) -> Awaitable[None]:
        """`work` of an unauthenticated client that has given way, to be awaited at once."""
        return _Charged(work(*arguments), client, self._used, self.charge_client, 0.0)

    def charge_client(self, client: str, seconds: float) -> float:
        """Charge an unauthenticated client, while others are active.

        Returns for how many seconds its request waits: not at all while it was within its share.
        """
        now = self._clock()
        if now >= self._ends:
            self._begin_period(now)
        if self._active | self._earlier <= {client}:
            return 0.0
        free_at = max(now, self._clients.get(client, now))
        # They have the share of one busy tenant together.
        part = 2 * (self._busy + 1) * max(1, self._busy_clients)
        self._clients[client] = min(free_at + seconds * part, now + MAX_WAIT)
        return free_at - now if free_at - now > TOLERANCE else 0.0

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
        if self._clients:
            self._clients = {name: at for name, at in self._clients.items() if at > now}
        self._busy_clients = len(self._clients)

    def _charge(self, name: str, seconds: float) -> None:
        tenant = self._tenants.get(name)
        active = max(len(self._active), len(self._earlier))
        if tenant is None:
            if active == 1:
                return
            tenant = self._tenants[name] = _Tenant()
        tenants = max(1, self._busy)
        busy = tenants + 1 if self._busy_clients else tenants
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


class _Charged:
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
