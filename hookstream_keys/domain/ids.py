"""Identifiers: a prefix for the kind, and 128 random bits in hexadecimal.

The prefixes of keys, organizations, environments and requests are Hookstream's. Clients treat
identifiers as opaque.
"""

from typing import Literal

from hookstream_keys.domain.sources import SYSTEM_RANDOM, Random

Kind = Literal["ak", "org", "env", "req", "al", "usr", "acc", "mem", "ses", "rot"]


def new(kind: Kind, random: Random = SYSTEM_RANDOM) -> str:
    """A fresh identifier, such as `ak_` and 32 hexadecimal digits."""
    return f"{kind}_{random.token_bytes(16).hex()}"
