"""When and how soon the client retries: the pure decisions."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hookstream_keys_client import (
    ConnectionFailed,
    HookstreamError,
    InvalidResponse,
    RateLimited,
    Retries,
    ServerError,
    Unauthorized,
    Unavailable,
)
from hookstream_keys_client.responses import MAX_RETRY_AFTER, retry_after
from hookstream_keys_client.retries import connection_failed, effect_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NOT_SENT = ConnectionFailed("refused", may_have_happened=False)
LOST = ConnectionFailed("broken off", may_have_happened=True)


def unavailable(code: str = "unavailable", retry_after: float | None = None) -> Unavailable:
    return Unavailable("busy", status=503, code=code, retry_after=retry_after)


@pytest.mark.parametrize(
    ("error", "effect"),
    [
        (NOT_SENT, "none"),
        (RateLimited("slow down", status=429, code="rate_limited"), "none"),
        (RateLimited("slow down", status=429), "none"),
        (unavailable(), "none"),
        (LOST, "unknown"),
        # A proxy's: only the API promises that nothing was changed.
        (unavailable(code=""), "unknown"),
        (ServerError("bad gateway", status=502), "unknown"),
        (ServerError("gateway timeout", status=504), "unknown"),
        (InvalidResponse("no JSON", status=201), "unknown"),
        (InvalidResponse("a redirect", status=302), "final"),
        (ServerError("a defect", status=500, code="internal_error"), "final"),
        (Unauthorized("no", status=401, code="unauthorized"), "final"),
    ],
)
def test_what_is_known_of_the_effect(error: HookstreamError, effect: str) -> None:
    assert effect_of(error) == effect
    again = Retries().delay(0, error, repeatable=True) is not None
    assert again == (effect != "final")
    again = Retries().delay(0, error, repeatable=False) is not None
    assert again == (effect == "none")


def test_the_delay_doubles_up_to_its_maximum_and_is_random() -> None:
    longest = Retries(count=9, first_delay=0.5, max_delay=3, jitter=lambda: 1.0)
    delays = [longest.delay(attempt, LOST, repeatable=True) for attempt in range(5)]
    assert delays == [0.5, 1, 2, 3, 3]
    assert Retries(jitter=lambda: 0.0).delay(1, LOST, repeatable=True) == 0
    found = {Retries().delay(1, LOST, repeatable=True) for _ in range(50)}
    assert len(found) == 50
    assert all(delay is not None and 0 <= delay <= 0.4 for delay in found)


def test_the_number_of_attempts_is_bounded() -> None:
    retries = Retries(count=3)
    assert retries.delay(2, NOT_SENT, repeatable=True) is not None
    assert retries.delay(3, NOT_SENT, repeatable=True) is None
    assert Retries(count=0).delay(0, NOT_SENT, repeatable=True) is None


def test_retry_after_is_waited_for_unless_it_is_too_long() -> None:
    retries = Retries(first_delay=0.2, max_retry_after=10, jitter=lambda: 0.5)
    assert retries.delay(0, unavailable(retry_after=3), repeatable=False) == 3.1
    assert retries.delay(0, unavailable(retry_after=11), repeatable=True) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0),
        ("120", 120),
        ("Thu, 01 Jan 2026 00:00:07 GMT", 7),
        ("Thu, 01 Jan 2026 00:00:07 -0000", 7),
        ("Wed, 31 Dec 2025 23:59:00 GMT", 0),
        ("-1", None),
        ("1.5", None),
        ("\u0661", None),
        ("soon", None),
        ("", None),
        # At most a day, which is also the longest that the API names.
        ("86401", 86_400),
        ("9" * 400, 86_400),
        ("9" * 5000, 86_400),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 86_400),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0),
        ("Thu, 01 Jan 2026 00:00:07 +9999", None),
        ("Thu, 01 Jan 2026 00:00:07 +" + "9" * 400, None),
        ("Thu, 01 Jan 2026 00:00:07 -" + "9" * 400, None),
        ("Thu, 01 Jan 2026 99:00:07 GMT", None),
        (f"Thu, 01 Jan 2026 {'9' * 30}:00:07 GMT", None),
        (f"Thu, 01 Jan {'9' * 30} 00:00:07 GMT", None),
        (f"Thu, {'9' * 5000} Jan 2026 00:00:07 GMT", None),
        ("Thu, 01 Jan , 00:00:07 GMT", None),
        (",", None),
    ],
)
def test_retry_after_is_read_as_rfc_9110_has_it(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


#: Texts made of the parts of dates, so that many of them are nearly one.
PARTS = st.sampled_from(
    [*"0123456789,:+-. ()", "Thu", "Jan", "2026", "00:00:07", "GMT", "+0100", "99", "9" * 40]
)


@given(st.text() | st.lists(PARTS).map("".join) | st.lists(PARTS).map(" ".join))
@example("Thu, 01 Jan 2026 00:00:07 +99999999999999")
def test_retry_after_is_never_another_exception(text: str) -> None:
    found = retry_after(text, NOW)
    assert found is None or 0 <= found <= MAX_RETRY_AFTER


def test_retry_after_is_relative_to_now() -> None:
    assert retry_after("Thu, 01 Jan 2026 00:00:07 GMT", NOW + timedelta(seconds=5)) == 2


@pytest.mark.parametrize(
    ("error", "may_have_happened"),
    [
        (httpx.ConnectError("refused"), False),
        (httpx.ConnectTimeout("late"), False),
        (httpx.PoolTimeout("busy"), False),
        (httpx.ReadTimeout("late"), True),
        (httpx.ReadError("reset"), True),
        (httpx.WriteError("reset"), True),
        (httpx.RemoteProtocolError("closed"), True),
        (httpx.DecodingError("no gzip"), True),
    ],
)
def test_only_what_was_not_sent_did_certainly_not_happen(
    error: httpx.RequestError,
    may_have_happened: bool,  # noqa: FBT001 - pytest gives parameters by name
) -> None:
    found = connection_failed(error, "GET /health")
    assert found.may_have_happened is may_have_happened
    assert str(found) == f"GET /health: {type(error).__name__}: {error}"
