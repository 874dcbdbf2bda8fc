"""Identifiers: a prefix for the kind, and 128 random bits in hexadecimal.

The prefixes of keys, organizations, environments and requests are Hookstream's. Clients treat
identifiers as opaque.
"""

import secrets
from typing import Literal

Kind = Literal["ak", "org", "env", "req", "al", "usr", "acc", "mem", "ses", "rot"]


def new(kind: Kind) -> str:
    """A fresh identifier, such as `ak_` and 32 hexadecimal digits."""
    return f"{kind}_{random(16)}"


def random(size: int) -> str:
    """So many random bytes in hexadecimal."""
    return secrets.token_hex(size)
