"""Rate limits of sign-in and sign-up: against brute force, and floods of right passwords.

Counted is the client address, alone and with the user, never a user or an organization alone: an
attacker who fails on purpose locks out only clients of the same address.
"""

from typing import NamedTuple

from hookstream_keys.domain.errors import RateLimited
from hookstream_keys.domain.limits import Decision, Limit
from hookstream_keys.handlers.context import RequestContext
from hookstream_keys.runtime.rate_limit_names import of_address

#: Failures at one user from one address: 5 at once, then one a minute.
ONE_USER = Limit(5, 300)
#: Failures from one address, at any users: 30 at once, then one every 10 seconds.
ONE_ADDRESS = Limit(30, 300)
#: Right passwords of one user from one address: 60 at once, then one a second.
RIGHT_OF_ONE_USER = Limit(60, 60)
#: Right passwords from one address, which an office may share: 300 at once, then 5 a second.
RIGHT_FROM_ONE_ADDRESS = Limit(300, 60)
#: Sign-ups from one address.
SIGN_UPS = Limit(100, 3600)

_FAILED = "Too many failed attempts to sign in from your address."
_SUCCEEDED = "Too many sign-ins from your address; use the sessions that you have."
_SIGNED_UP = "Too many users have signed up from your address."


class _Bucket(NamedTuple):
    name: str
    limit: Limit
    message: str


def flows(context: RequestContext, email: str) -> tuple[str, str]:
    """The flows of a password check: its user, known or not, and its client address."""
    return f"user {email}", of_address(context.address or "")


async def admit_attempt(context: RequestContext, email: str) -> None:
    """Refuse an attempt before it is queued. Raises RateLimited; counts nothing."""
    await _admit(context, *_failures(context, email), *_successes(context, email))


async def admit_sign_up(context: RequestContext) -> None:
    """Refuse a sign-up before it is queued. Raises RateLimited; counts nothing."""
    await _admit(context, _sign_ups(context))


async def failed(context: RequestContext, email: str) -> None:
    """Count an attempt with a password as a failure. Raises RateLimited when there were too many.

    Before the password is checked, so that any number at once are not more than the limit.
    """
    await _take(context, *_failures(context, email))


async def succeeded(context: RequestContext, email: str) -> None:
    """Count that attempt as a right password instead. Raises RateLimited as well."""
    counters = context.dependencies.counters
    if counters is not None:
        for name, limit, _ in _failures(context, email):
            await counters.refund(name, limit)
    await _take(context, *_successes(context, email))


async def sign_up(context: RequestContext) -> None:
    """Count a user who signs up. Raises RateLimited."""
    await _take(context, _sign_ups(context))


def _failures(context: RequestContext, email: str) -> tuple[_Bucket, _Bucket]:
    address = of_address(context.address or "")
    return (
        _Bucket(f"sign-in {address} {email}", ONE_USER, _FAILED),
        _Bucket(f"sign-in {address}", ONE_ADDRESS, _FAILED),
    )


def _successes(context: RequestContext, email: str) -> tuple[_Bucket, ...]:
    if context.random.is_sandbox:
        # While its clock is frozen, no bucket empties, and a suite signs in for each test.
        return ()
    address = of_address(context.address or "")
    return (
        _Bucket(f"signed in {address} {email}", RIGHT_OF_ONE_USER, _SUCCEEDED),
        _Bucket(f"signed in {address}", RIGHT_FROM_ONE_ADDRESS, _SUCCEEDED),
    )


def _sign_ups(context: RequestContext) -> _Bucket:
    return _Bucket(f"sign-up {of_address(context.address or '')}", SIGN_UPS, _SIGNED_UP)


async def _admit(context: RequestContext, *counters: _Bucket) -> None:
    if context.dependencies.counters is not None:
        for name, limit, message in counters:
            decision = await context.dependencies.counters.peek(name, limit, 1)
            _require_allowed(decision, message)


async def _take(context: RequestContext, *counters: _Bucket) -> None:
    if context.dependencies.counters is not None:
        for name, limit, message in counters:
            decision = await context.dependencies.counters.consume(name, limit)
            _require_allowed(decision, message)


def _require_allowed(decision: Decision, message: str) -> None:
    if not decision.allowed:
        raise RateLimited(message, decision)
