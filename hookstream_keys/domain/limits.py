"""Rate limits: GCRA, a leaky bucket (ITU-T I.371), and the headers that report it.

A bucket is one number: the moment at which it will be empty. A limit of 100 in 60 seconds allows a
burst of 100, then one more every 0.6 seconds, and after 60 idle seconds 100 again. Rejected
requests are not counted.

Moments and durations are nanoseconds, so that no fraction is ever lost.
"""

from typing import NamedTuple

SECOND = 1_000_000_000


class Limit(NamedTuple):
    """So many requests in so many seconds."""

    requests: int
    seconds: int

    @property
    def interval(self) -> int:
        """The time in which one request leaks away."""
        return self.seconds * SECOND // self.requests

    @property
    def period(self) -> int:
        """The time in which a full bucket empties."""
        return self.interval * self.requests

    def is_within(self, other: "Limit") -> bool:
        """Whether traffic within this limit is always within `other`."""
        slower = self.requests * other.seconds <= other.requests * self.seconds
        return slower and self.requests <= other.requests


class Decision(NamedTuple):
    """Whether a request is allowed now, and what is left of the limit."""

    allowed: bool
    limit: Limit
    #: How many more are allowed at once.
    remaining: int
    #: In how many seconds the whole limit is available again, rounded up.
    reset: int
    #: In how many seconds to try again, rounded up; 0 where it is allowed.
    retry_after: int

    def headers(self) -> dict[str, str]:
        """The response headers: Hookstream's `RateLimit-*`, and `Retry-After` if rejected."""
        said = {
            "RateLimit-Limit": str(self.limit.requests),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset),
        }
        return said if self.allowed else said | {"Retry-After": str(self.retry_after)}


def carried_over(empty_at: int, interval: int, limit: Limit, now: int) -> int:
    """When a bucket is empty under `limit` that was filled with one request per `interval`.

    It has as many requests in it as before: 3 of 3 per hour become 3 of 300. Intervals are
    nanoseconds.
    """
    return now + max(0, empty_at - now) * limit.interval // interval


def decide(limit: Limit, empty_at: int, now: int, cost: int) -> tuple[int, Decision]:
    """Add `cost` to a bucket that is empty at `empty_at`: its new `empty_at`, and the decision.

    A cost of 0 only peeks; one below 0 refunds. A bucket is never fuller than the limit, although
    it may have been filled under another one.
    """
    interval = limit.interval
    period = interval * limit.requests
    # How full the bucket is, as the time that it takes to empty.
    level = min(max(empty_at - now, 0), period)
    wanted = max(level + cost * interval, 0)
    allowed = wanted <= period
    retry_after = 0 if allowed else max(1, _seconds(wanted - period))
    if allowed:
        level = wanted
    remaining = (period - level) // interval
    return now + level, Decision(allowed, limit, remaining, _seconds(level), retry_after)


def _seconds(duration: int) -> int:
    return -(-duration // SECOND)
