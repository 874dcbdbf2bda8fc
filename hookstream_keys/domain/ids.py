"""Identifiers: a prefix for the kind, and 128 bits in hexadecimal.

The prefixes of keys, organizations, environments and requests are Hookstream's. Clients treat
identifiers as opaque.

Those of rows begin with their time in milliseconds, as UUIDv7 does (RFC 9562, section 5.7), and
have 80 random bits. So new rows are neighbours in an index, and a group commit writes half as
many pages. They are no secrets. Those of requests are all random.
"""

from typing import Literal

from hookstream_keys.domain.sources import SYSTEM_RANDOM, Random

Kind = Literal["ak", "org", "env", "req", "al", "usr", "acc", "mem", "ses", "rot"]


def new(kind: Kind, random: Random = SYSTEM_RANDOM) -> str:
    """A fresh identifier, such as `ak_` and 32 hexadecimal digits."""
    if kind == "req" or random.milliseconds is None:
        return f"{kind}_{random.token_bytes(16).hex()}"
    return f"{kind}_{random.milliseconds():012x}{random.token_bytes(10).hex()}"
