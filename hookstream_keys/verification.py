"""Whether a key is good: one rule, for whoever asks.

The checks stand in a fixed order, cheapest first: what is not well formed never
reaches the database.
"""

from dataclasses import dataclass
from typing import Literal

from hookstream_keys import keys
from hookstream_keys.store import ApiKey, Store

Code = Literal["VALID", "MALFORMED", "NOT_FOUND", "REVOKED"]


@dataclass(frozen=True, slots=True)
class Verification:
    """The outcome, and the key where there is one."""

    code: Code
    key: ApiKey | None = None


def verify(store: Store, secret: str) -> Verification:
    """Find the key that `secret` is the secret of, and say whether it is good. Never cached."""
    if not keys.is_well_formed(secret):
        return Verification("MALFORMED")
    key = store.find_key(keys.digest(secret))
    if key is None:
        return Verification("NOT_FOUND")
    if key.revoked_at is not None:
        return Verification("REVOKED", key)
    return Verification("VALID", key)
