"""Shares of the event loop for unauthenticated clients, by address.

While tenants are active, all of these clients together have the share of one busy tenant. No tenant
waits for them: else a few requests without a credential would halve what one may use.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from hookstream_keys.domain.errors import Overloaded
from hookstream_keys.runtime.charged import Charged
from hookstream_keys.runtime.share_limits import MAX_WAIT, MAX_WAITING, OVERHEAD, TOLERANCE


class Tenants(Protocol):
    """What the clients share the event loop with."""

    def others_are_active(self, name: str) -> bool:
        """Whether any tenant but this one is active."""

    def busy_tenants(self) -> int:
        """How many tenants have requests that wait."""


class ClientShares:
    """The clients that are ahead of their share. The clocks are those of `FairShare`."""

    def __init__(
        self, tenants: Tenants, clock: Callable[[], float], used: Callable[[], float]
    ) -> None:
        self._tenants = tenants
        self._clock = clock
        self._used = used
        #: When each has no more than its share, by the clock.
        self._free_at: dict[str, float] = {}
        #: How many were ahead when the period began.
        self.busy = 0
        #: How many of their requests wait.
        self._waiting = 0

    async def give_way(self, client: str, *, may_reject: bool = True) -> None:
        """Wait before a request of a client while it is ahead of its share.

        When too many wait, raises Overloaded, or does not wait if the request may not be rejected.
        """
        wait = self.charge(client, OVERHEAD)
        if not wait:
            return
        if self._waiting >= MAX_WAITING:
            if may_reject:
                raise Overloaded
            return
        self._waiting += 1
        try:
            await asyncio.sleep(wait)
        finally:
            self._waiting -= 1

    def run(
        self, client: str, work: Callable[..., Awaitable[None]], *arguments: Any
    ) -> Awaitable[None]:
        """`work` of a client that has given way, to be awaited at once."""
        return Charged(work(*arguments), client, self._used, self.charge, 0.0)

    def charge(self, client: str, seconds: float) -> float:
        """Charge a client, or a tenant for what was refused, while others are active.

        Returns for how many seconds its request waits: not at all while it was within its share.
        """
        if not self._tenants.others_are_active(client):
            return 0.0
        now = self._clock()
        free_at = max(now, self._free_at.get(client, now))
        # They have the share of one busy tenant together.
        part = 2 * (self._tenants.busy_tenants() + 1) * max(1, self.busy)
        self._free_at[client] = min(free_at + seconds * part, now + MAX_WAIT)
        return free_at - now if free_at - now > TOLERANCE else 0.0

    def begin_period(self, now: float) -> None:
        """Forget those that are within their share at `now`, and count the others."""
        if self._free_at:
            self._free_at = {name: at for name, at in self._free_at.items() if at > now}
        self.busy = len(self._free_at)
