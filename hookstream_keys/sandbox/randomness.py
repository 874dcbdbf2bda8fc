"""The sandbox's random bytes: they follow from a seed, and from what was done before.

Every operation has a stream of its own for each of its requests: a request of another operation,
before or at the same time, changes nothing. The bytes are those of SHAKE-256 (FIPS 202) of the
stream's name, so they do not depend on the platform or on Python's version.
"""

import hashlib
import itertools
from collections import Counter
from contextvars import ContextVar

from hookstream_keys.domain.sources import Random

_current: ContextVar[Random] = ContextVar("random")


def current_random() -> Random:
    """The stream of the request that this task serves, of any world. Raises LookupError."""
    return _current.get()


class Streams:
    """The streams of random bytes of one world, which is `name`d under a `seed`."""

    def __init__(self, seed: int, name: str) -> None:
        self._name = f"hookstream-keys sandbox\0{seed}\0{name}"
        self._requests: Counter[str] = Counter()
        self._background = self.stream("background")

    def stream(self, purpose: str) -> Random:
        """The next stream of this purpose."""
        number = self._requests[purpose]
        self._requests[purpose] += 1
        name = f"{self._name}\0{purpose}\0{number}"
        draws = itertools.count()

        def token_bytes(size: int) -> bytes:
            return hashlib.shake_256(f"{name}\0{next(draws)}".encode()).digest(size)

        return Random(token_bytes, milliseconds=None, is_sandbox=True)

    def begin_request(self, operation: str) -> None:
        """Use the operation's next stream for the rest of this task."""
        _current.set(self.stream(operation))

    def current(self) -> Random:
        """The stream of the request that this task serves; otherwise, that of periodic tasks."""
        return _current.get(self._background)

    def reset(self) -> None:
        """Begin every stream again."""
        self._requests.clear()
        self._background = self.stream("background")
