import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookstream_keys.contract import spec
from hookstream_keys.domain import timestamps

_PATTERN = spec.document()["components"]["schemas"]["Expiry"]["pattern"]
EXPIRY = re.compile(_PATTERN.removesuffix("$") + r"\Z", re.ASCII)
LAST = "9999-12-31T23:59:59.999Z"

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


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("2030-01-01T00:00:00Z", "2030-01-01T00:00:00.000Z"),
        # Python's isoformat()
        ("2030-01-01T00:00:00+00:00", "2030-01-01T00:00:00.000Z"),
        ("2030-01-01T00:00:00.123456+00:00", "2030-01-01T00:00:00.123Z"),
        # Go's RFC3339Nano and Java's Instant
        ("2030-01-01T00:00:00.123456789Z", "2030-01-01T00:00:00.123Z"),
        # .NET's "O"
        ("2030-01-01T00:00:00.1234567Z", "2030-01-01T00:00:00.123Z"),
        ("2030-01-01T00:00:00.9999999999999Z", "2030-01-01T00:00:00.999Z"),
        ("2030-01-01T02:00:00+02:00", "2030-01-01T00:00:00.000Z"),
        ("2029-12-31T18:30:00-05:30", "2030-01-01T00:00:00.000Z"),
        ("2030-01-01T00:00:00-00:00", "2030-01-01T00:00:00.000Z"),
        ("2030-01-01t00:00:00.5z", "2030-01-01T00:00:00.500Z"),
        # A leap second
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"),
        ("2017-01-01T05:29:60.25+05:30", "2017-01-01T00:00:00.250Z"),
        # After the last year
        ("9999-12-31T23:59:59-00:01", LAST),
        ("9999-12-31T23:59:60Z", LAST),
        # Before the first one
        ("0001-01-01T00:00:00+00:01", "0001-01-01T00:00:00.000Z"),
    ],
)
def test_every_form_of_rfc_3339_is_read(text: str, stored: str) -> None:
    assert timestamps.to_text(timestamps.from_text(text)) == stored


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2030-01-01",
        "2030-01-01T00:00Z",
        "2030-01-01T00:00:00",
        "2030-01-01 00:00:00Z",
        "2030-01-01T24:00:00Z",
        "2030-01-01T00:00:61Z",
        "2030-01-01T00:00:00.Z",
        "2030-01-01T00:00:00,5Z",
        "2030-01-01T00:00:00+0100",
        "2030-01-01T00:00:00+24:00",
        "2030-02-29T00:00:00Z",
        "2030-01-01T00:00:00Z\n",
        "20300101T000000Z",
        "2030-W01-1T00:00:00Z",
        "٢٠٣٠-01-01T00:00:00Z",
    ],
)
def test_other_text_is_no_time(text: str) -> None:
    assert not EXPIRY.match(text)
    with pytest.raises(ValueError, match=r"not an RFC 3339 time|out of range|must be in range"):
        timestamps.from_text(text)


@given(moments)
def test_every_moment_is_read_as_it_was(moment: datetime) -> None:
    assert timestamps.from_text(moment.isoformat()) == moment


@given(moments.filter(lambda moment: moment.year >= 2000))
def test_every_moment_from_2000_on_may_be_an_expiry(moment: datetime) -> None:
    assert EXPIRY.match(moment.isoformat())


@given(st.from_regex(EXPIRY, fullmatch=True))
def test_every_expiry_that_the_document_accepts_can_be_stored(text: str) -> None:
    stored = timestamps.to_text(timestamps.from_text(text))
    assert "1999-12-30" < stored <= LAST
