import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookstream_keys.domain import timestamps

moments = st.datetimes(
    min_value=datetime(1970, 1, 2),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m))),
)


def test_now_is_now_in_utc() -> None:
    before = datetime.now(UTC)
    now = timestamps.now()
    assert before <= now <= datetime.now(UTC)
    assert now.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 11, 24, 12, tzinfo=UTC), "2026-11-24T12:00:00.000Z"),
        (datetime(2026, 11, 24, 12, 0, 0, 999_999, UTC), "2026-11-24T12:00:00.999Z"),
        (
            datetime(2026, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=1))),
            "2025-12-31T23:30:00.000Z",
        ),
    ],
)
def test_a_moment_is_written_in_utc_to_the_millisecond(moment: datetime, text: str) -> None:
    assert timestamps.to_text(moment) == text


@given(moments)
def test_every_moment_looks_as_javascript_writes_it(moment: datetime) -> None:
    text = timestamps.to_text(moment)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    assert timedelta(0) <= moment - datetime.fromisoformat(text) < timedelta(milliseconds=1)


@given(moments, moments)
def test_text_sorts_as_time_does(one: datetime, two: datetime) -> None:
    if one <= two:
        assert timestamps.to_text(one) <= timestamps.to_text(two)
    else:
        assert timestamps.to_text(one) >= timestamps.to_text(two)
