"""The rate limits of the API: per organization, or per client IP if unauthenticated.

An authenticated request counts for its organization, from any address; others count for the client
IP. So an unauthenticated client uses up only its own limit, whatever credentials it tries.

Verification has a limit of its own, so that neither uses up the other. The document says which
limit an operation counts for: `x-rate-limit`, or none with `x-rate-limited: false`; with
`x-rate-limit-entries`, each entry of that list in the body counts.
"""

from hookstream_keys.context.principal import KeyPrincipal, SessionPrincipal
from hookstream_keys.context.request import Request
from hookstream_keys.domain.errors import ApiError, RateLimited, Unauthorized, Unavailable
from hookstream_keys.domain.limits import Decision, Limit
from hookstream_keys.runtime import rate_limit_names
from hookstream_keys.runtime.counters import Counters

#: How many requests a refused credential counts for, against brute force.
REFUSAL_COST = 10


class RateLimiting:
    """The limits of `per_minute` requests and `verifications_per_minute`, or none.

    The decision is stored in the request.
    """

    def __init__(
        self,
        counters: Counters,
        per_minute: int | None,
        verifications_per_minute: int | None = None,
    ) -> None:
        self._counters = counters
        self._limit = Limit(per_minute, 60) if per_minute else None
        self._verification = (
            Limit(verifications_per_minute, 60) if verifications_per_minute else None
        )

    async def limit_anonymous(self, request: Request, cost: int = 1) -> str:
        """Count a request for its client IP; returns the name of that. Raises RateLimited."""
        name = rate_limit_names.of_address(request.address)
        await self._count(request, name, cost)
        return name

    async def count_caller(self, request: Request, caller: KeyPrincipal | SessionPrincipal) -> str:
        """Count a request for the caller's organization; returns the name of that.

        Entries are not known yet: `count_entries` counts them. Raises RateLimited.
        """
        name = tenant_of(caller)
        operation = request.operation
        if self._verification is None or operation is None or not operation.verifies:
            await self._count(request, name, 1)
        else:
            cost = 0 if operation.counted_entries else 1
            await self._count_verification(request, name, cost, self._verification)
        return name

    async def count_entries(self, request: Request, entries: int) -> None:
        """Count the entries of a caller's body, for the limit of verification. Raises RateLimited.

        With no room for all of them, none is counted.
        """
        caller = request.principal
        if self._verification is not None and isinstance(caller, KeyPrincipal | SessionPrincipal):
            await self._count_verification(request, tenant_of(caller), entries, self._verification)

    async def count_error(self, request: Request, error: ApiError) -> None:
        """Count a request that was refused before authentication. Raises RateLimited."""
        if self._counters.is_remote and type(error) is Unavailable:
            # The counters are in the database that has just failed: counting would only take as
            # long again.
            return
        refused = isinstance(error, Unauthorized)
        if refused or request.limit is None:
            await self.limit_anonymous(request, REFUSAL_COST if refused else 1)

    async def _count_verification(
        self, request: Request, name: str, cost: int, limit: Limit
    ) -> None:
        count = self._counters.consume if cost else self._counters.peek
        counted = rate_limit_names.OF_VERIFICATION + name
        request.limit = decision = await count(counted, limit, cost)
        if not decision.allowed:
            variable = "HOOKSTREAM_VERIFICATION_RATE_LIMIT"
            raise _exceeded(f"{limit.requests} verifications", name, variable, decision)

    async def _count(self, request: Request, name: str, cost: int) -> None:
        if self._limit is None:
            return
        operation = request.operation
        if cost == 1 and operation and not operation.rate_limited:
            if self._counters.is_remote and not operation.may_be_unavailable:
                # A process that waits for its database is alive.
                return
            request.limit = await self._counters.peek(name, self._limit)
            return
        request.limit = decision = await self._counters.consume(name, self._limit, cost)
        if not decision.allowed:
            variable = "HOOKSTREAM_RATE_LIMIT"
            raise _exceeded(f"{self._limit.requests} requests", name, variable, decision)


def tenant_of(caller: KeyPrincipal | SessionPrincipal) -> str:
    """The name of what a caller's requests count for: the organization, or a user without one."""
    if isinstance(caller, SessionPrincipal) and caller.org_id is None:
        return f"user {caller.user_id}"
    return f"{rate_limit_names.OF_ORGANIZATIONS}{caller.org_id}"


def _exceeded(most: str, name: str, variable: str, decision: Decision) -> RateLimited:
    """The error for a limit of `most` a minute, of the counter of this name and this setting."""
    of = {"org": "of this organization", "user": "of this user"}
    whose = of.get(name.partition(" ")[0], "from this address")
    return RateLimited(
        f"More than {most} a minute {whose}; slow down, or have an operator of this server raise "
        f"{variable}.",
        decision,
    )
