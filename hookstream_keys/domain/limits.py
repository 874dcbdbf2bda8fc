"""How often something may be done: the rule, and what is said of it.

The rule is GCRA (ITU-T I.371), a leaky bucket that is one number: the moment at which
everything that was taken will have leaked away. A limit of 100 in 60 seconds lets 100
through at once, and then one more every 0.6 seconds; whoever has waited for 60 seconds has
all 100 again. What was refused is not counted.

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
        """After how long one request has leaked away."""
        return self.seconds * SECOND // self.requests

    @property
    def period(self) -> int:
        """After how long all of them have."""
        return self.interval * self.requests

    def is_within(self, other: "Limit") -> bool:
        """Whether whoever keeps to this limit keeps to `other`."""
        slower = self.requests * other.seconds <= other.requests * self.seconds
        return slower and self.requests <= other.requests


class Decision(NamedTuple):
    """Whether something may be done now, and what is left."""

    allowed: bool
    limit: Limit
    #: How many more may be done at once.
    remaining: int
    #: In how many seconds all of the limit is there again, rounded up.
    reset: int
    #: In how many seconds to try again, rounded up; 0 where it is allowed.
    retry_after: int

    def headers(self) -> dict[str, str]:
        """What a response says of it: Hookstream's `RateLimit-*`, and `Retry-After` if refused."""
        said = {
            "RateLimit-Limit": str(self.limit.requests),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset),
        }
        return said if self.allowed else said | {"Retry-After": str(self.retry_after)}


def decide(limit: Limit, empty_at: int, now: int, cost: int) -> tuple[int, Decision]:
    """Take `cost` of a bucket that will be empty at `empty_at`; when it then will be, and whether.

    With a cost of 0 nothing is taken, only looked at; one below 0 gives back. A bucket is never
    fuller than the limit, although it may have been filled under another one.
    """
    interval = limit.interval
    period = interval * limit.requests
    empty_at = min(max(empty_at, now), now + period)
    wanted = max(now, empty_at + cost * interval)
    excess = wanted - now - period
    allowed = excess <= 0
    if allowed:
        empty_at = wanted
    left = period - (empty_at - now)
    decision = Decision(
        allowed=allowed,
        limit=limit,
        remaining=left // interval,
        reset=_seconds(empty_at - now),
        retry_after=0 if allowed else max(1, _seconds(excess)),
    )
    return empty_at, decision


def _seconds(duration: int) -> int:
    return -(-duration // SECOND)
