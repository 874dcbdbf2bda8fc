"""Points in time as they are stored and answered: ISO 8601 in UTC, to the millisecond, with `Z`.

It is the form that JavaScript's `toISOString` prints and better-auth stores, and it
sorts as text in the order of time.
"""

from datetime import UTC, datetime
from functools import lru_cache


def now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(UTC)


@lru_cache(maxsize=16)  # A request asks for its own moment several times.
def to_text(moment: datetime) -> str:
    """`moment` as, for example, `2026-11-24T12:00:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
