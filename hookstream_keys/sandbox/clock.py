"""The sandbox's clock: frozen, until its users move it or let it run."""

import time
from datetime import UTC, datetime, timedelta
from typing import Literal

from hookstream_keys.domain.limits import SECOND

Mode = Literal["frozen", "running"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Clock:
    """One clock for expiry, grace periods, limits, sessions, retention and the audit log."""

    def __init__(self, start: datetime, mode: Mode = "frozen") -> None:
        self._moment = start
        #: By how much it was moved back.
        self._set_back = timedelta(0)
        #: When it began to run, by `time.monotonic_ns`; None while it is frozen.
        self._since: int | None = None
        if mode == "running":
            self.run()

    @property
    def mode(self) -> Mode:
        """Whether it runs."""
        return "frozen" if self._since is None else "running"

    def now(self) -> datetime:
        """Its current time, in UTC."""
        if self._since is None:
            return self._moment
        elapsed = (time.monotonic_ns() - self._since) // 1_000
        return self._moment + timedelta(microseconds=elapsed)

    def monotonic_ns(self) -> int:
        """Nanoseconds for rate limits: they move forward with the clock, and never back.

        Otherwise what was used before the clock was moved back would count as used later.
        """
        return (self.now() + self._set_back - _EPOCH) // _MICROSECOND * (SECOND // 1_000_000)

    def set(self, moment: datetime) -> None:
        """Move it to a moment, earlier or later."""
        self._set_back += max(self.now() - moment, timedelta(0))
        self._moment = moment
        if self._since is not None:
            self._since = time.monotonic_ns()

    def freeze(self) -> None:
        """Stop it."""
        self.set(self.now())
        self._since = None

    def run(self) -> None:
        """Let it run at the speed of real time."""
        if self._since is None:
            self._since = time.monotonic_ns()
