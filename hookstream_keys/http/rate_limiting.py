"""The rate limit of the API: per organization, or per client IP if unauthenticated.

An authenticated request counts for its organization, from any address; others count for the client
IP. So an unauthenticated client uses up only its own limit, whatever credentials it tries. The
document marks the operations that are counted: `x-rate-limited`.
"""

from hookstream_keys.context.principal import KeyPrincipal, SessionPrincipal
from hookstream_keys.context.request import Request
from hookstream_keys.domain.errors import ApiError, RateLimited, Unauthorized
from hookstream_keys.domain.limits import Limit
from hookstream_keys.runtime import rate_limit_names
from hookstream_keys.runtime.rate_limit_counters import RateLimitCounters

#: How many requests a refused credential counts for, against brute force.
REFUSAL_COST = 10


class RateLimiting:
    """The limit of `per_minute` requests, or none; the decision is stored in the request."""

    def __init__(self, counters: RateLimitCounters, per_minute: int | None) -> None:
        self._counters = counters
        self._limit = Limit(per_minute, 60) if per_minute else None

    def limit_anonymous(self, request: Request, cost: int = 1) -> None:
        """Count a request for its client IP. Raises RateLimited."""
        self._count(request, rate_limit_names.of_address(request.address), cost)

    def count_caller(self, request: Request, caller: KeyPrincipal | SessionPrincipal) -> None:
        """Count a request for the caller's organization. Raises RateLimited."""
        if isinstance(caller, SessionPrincipal) and caller.org_id is None:
            name = f"user {caller.user_id}"
        else:
            name = f"{rate_limit_names.OF_ORGANIZATIONS}{caller.org_id}"
        self._count(request, name, 1)

    def count_error(self, request: Request, error: ApiError) -> None:
        """Count a request that was refused before authentication. Raises RateLimited."""
        refused = isinstance(error, Unauthorized)
        if refused or request.limit is None:
            self.limit_anonymous(request, REFUSAL_COST if refused else 1)

    def _count(self, request: Request, name: str, cost: int) -> None:
        if self._limit is None:
            return
        if cost == 1 and request.operation and not request.operation.rate_limited:
            request.limit = self._counters.peek(name, self._limit)
            return
        request.limit = decision = self._counters.consume(name, self._limit, cost)
        if not decision.allowed:
            raise RateLimited(
                f"More than {self._limit.requests} requests a minute; slow down.", decision
            )
