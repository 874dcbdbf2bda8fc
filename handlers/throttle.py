"""Guessing passwords, and making users by the thousand, is slowed down.

What is counted is the address that it comes from, never a user or an organization by itself: a
stranger who fails on purpose locks out nobody but those who share its address.
"""

from hookstream_keys.call import Call
from hookstream_keys.errors import RateLimited
from hookstream_keys.limits import Limit
from hookstream_keys.rate_limiting import by_address

#: Failures at one user from one address: 5 at once, then one a minute.
ONE_USER = Limit(5, 300)
#: Failures from one address, whoever they are at: 30 at once, then one every 10 seconds.
ONE_ADDRESS = Limit(30, 300)
#: Users that one address signs up.
SIGN_UPS = Limit(100, 3600)


class Attempt:
    """Trying a password for `email`. It counts as a failure until it has succeeded.

    Raises RateLimited when there were too many.
    """

    def __init__(self, call: Call, email: str) -> None:
        address = by_address(call.address or "")
        self._buckets = call.service.buckets
        self._taken: list[tuple[str, Limit]] = []
        for name, limit in (
            (f"sign-in {address} {email}", ONE_USER),
            (f"sign-in {address}", ONE_ADDRESS),
        ):
            _take(call, name, limit, "Too many failed attempts to sign in from your address.")
            self._taken.append((name, limit))

    def succeeded(self) -> None:
        """Take the failure back."""
        if self._buckets is not None:
            for name, limit in self._taken:
                self._buckets.give_back(name, limit)


def sign_up(call: Call) -> None:
    """Count a user who signs up. Raises RateLimited."""
    name = f"sign-up {by_address(call.address or '')}"
    _take(call, name, SIGN_UPS, "Too many users have signed up from your address.")


def _take(call: Call, name: str, limit: Limit, message: str) -> None:
    if call.service.buckets is not None:
        decision = call.service.buckets.take(name, limit)
        if not decision.allowed:
            raise RateLimited(message, decision)
