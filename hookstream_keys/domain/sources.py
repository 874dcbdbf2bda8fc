"""Where a server takes the time and its random bytes from.

A server takes both from the system. Only the sandbox replaces them: by a clock that its users
move, and by bytes that follow from a seed.
"""

import secrets
import time
from collections.abc import Callable
from datetime import datetime

from hookstream_keys.domain import timestamps
from hookstream_keys.domain.records import record


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000


@record
class Random:
    """Random bytes, of which identifiers and secrets are made."""

    #: So many random bytes.
    token_bytes: Callable[[int], bytes] = secrets.token_bytes
    #: Milliseconds since 1970, with which identifiers of rows begin; None where they must not
    #: depend on the time.
    milliseconds: Callable[[], int] | None = _milliseconds
    #: Whether they are a sandbox's, and can be predicted: keys made of them are marked.
    is_sandbox: bool = False


#: The operating system's random bytes.
SYSTEM_RANDOM = Random()


def _system_random() -> Random:
    return SYSTEM_RANDOM


@record
class Sources:
    """The clocks and the random bytes of a server."""

    #: The current time, in UTC.
    now: Callable[[], datetime] = timestamps.now
    #: Nanoseconds since any fixed moment, for rate limits.
    monotonic_ns: Callable[[], int] = time.monotonic_ns
    #: The random bytes of the request that the caller is serving.
    random: Callable[[], Random] = _system_random

    def monotonic(self) -> float:
        """Seconds since any fixed moment."""
        return self.monotonic_ns() / 1_000_000_000


#: The operating system's.
SYSTEM = Sources()
