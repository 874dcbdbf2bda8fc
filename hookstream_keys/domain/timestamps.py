"""Timestamps, stored and in responses: ISO 8601 in UTC, to the millisecond, with `Z`.

It is the format of JavaScript's `toISOString` and of better-auth, and sorts as text by time. In
requests, every form of RFC 3339 is accepted.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

#: `date-time` of RFC 3339, section 5.6. Whether the month has the day is checked later.
_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:([0-5]\d|(?P<leap>60))(\.\d+)?"
    r"(Z|[+-]([01]\d|2[0-3]):[0-5]\d)",
    re.ASCII | re.IGNORECASE,
)

_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

#: The length of a time as text, without its milliseconds and `Z`.
_SECONDS = len("2026-11-24T12:00:00")
#: The second of the latest time that was written, and its text: most times are of the same.
_latest = (_FIRST, _FIRST.isoformat()[:_SECONDS])


def now() -> datetime:
    """The current time, in UTC."""
    return datetime.now(UTC)


@lru_cache(maxsize=16)  # A request converts its own time several times.
def to_text(moment: datetime) -> str:
    """`moment` as, for example, `2026-11-24T12:00:00.000Z`."""
    global _latest  # noqa: PLW0603 - one tuple, which threads replace whole
    second, text = _latest
    since = moment - second
    if since.days or since.seconds:
        second = moment.astimezone(UTC).replace(microsecond=0)
        text = second.isoformat()[:_SECONDS]
        _latest = second, text
        since = moment - second
    return f"{text}.{since.microseconds // 1000:03d}Z"


def from_text(text: str) -> datetime:
    """The time of a text in RFC 3339, in UTC, to the microsecond: further digits are cut off.

    A leap second, `:60`, is the first second of the next minute, as in POSIX. A time outside the
    years 1 to 9999 in UTC is the first or the last one inside. Raises ValueError for other text.
    """
    found = _RFC_3339.fullmatch(text)
    if found is None:
        raise ValueError("not an RFC 3339 time")
    text, leap = text.upper(), 0
    if found["leap"]:
        start, end = found.span("leap")
        text, leap = f"{text[:start]}59{text[end:]}", 1
    moment = datetime.fromisoformat(text)
    try:
        return moment.astimezone(UTC) + timedelta(seconds=leap)
    except OverflowError:
        return _FIRST if moment.year == 1 else _LAST
