"""Timestamps, stored and in responses: ISO 8601 in UTC, to the millisecond, with `Z`.

It is the format of JavaScript's `toISOString` and of better-auth, and sorts as text by time.
"""

from datetime import UTC, datetime
from functools import lru_cache


def now() -> datetime:
    """The current time, in UTC."""
    return datetime.now(UTC)


@lru_cache(maxsize=16)  # A request converts its own time several times.
def to_text(moment: datetime) -> str:
    """`moment` as, for example, `2026-11-24T12:00:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
