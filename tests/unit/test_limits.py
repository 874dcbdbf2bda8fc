"""The rule, against a plainer one: a bucket that is filled by drops and leaks by time."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookstream_keys.domain.limits import SECOND, Limit, carried_over, decide

limits = st.builds(Limit, st.integers(1, 1_000_000), st.integers(1, 86_400))
steps = st.lists(st.tuples(st.integers(0, 10 * SECOND), st.integers(1, 5)), max_size=60)


class LeakyBucket:
    """So much water in a bucket that holds `requests`, leaking one in each interval."""

    def __init__(self, limit: Limit) -> None:
        self.size = limit.requests
        self.rate = Fraction(1, limit.interval)
        self.water = Fraction(0)
        self.at = 0

    def take(self, now: int, cost: int) -> bool:
        self.water = max(Fraction(0), self.water - (now - self.at) * self.rate)
        self.at = now
        if self.water + cost > self.size:
            return False
        self.water += cost
        return True


@given(limits, steps)
def test_it_allows_what_a_leaky_bucket_allows(limit: Limit, taken: list[tuple[int, int]]) -> None:
    bucket, empty_at, now = LeakyBucket(limit), 0, 0
    for later, cost in taken:
        now += later
        empty_at, decision = decide(limit, empty_at, now, cost)
        assert decision.allowed is bucket.take(now, cost)
        assert decision.remaining == (bucket.size - bucket.water) // 1


@given(limits, st.integers(0, 100 * SECOND))
def test_a_limit_allows_a_burst_of_its_size_and_no_more(limit: Limit, now: int) -> None:
    empty_at, decision = decide(limit, 0, now, limit.requests)
    assert (decision.allowed, decision.remaining, decision.retry_after) == (True, 0, 0)
    assert decision.reset == -(-limit.period // SECOND) <= limit.seconds
    assert decide(limit, empty_at, now, 1)[1].allowed is False
    # After one interval there is one more, and after the period all of them.
    assert decide(limit, empty_at, now + limit.interval - 1, 1)[1].allowed is False
    assert decide(limit, empty_at, now + limit.interval, 1)[1].allowed is True
    assert decide(limit, empty_at, now + limit.period, limit.requests)[1].allowed is True


@given(limits, steps)
def test_a_client_that_waits_for_retry_after_is_allowed(
    limit: Limit, taken: list[tuple[int, int]]
) -> None:
    empty_at, now = 0, 0
    for later, _ in taken:
        now += later
        empty_at, decision = decide(limit, empty_at, now, 1)
        if not decision.allowed:
            assert decision.retry_after >= 1
            wait = now + decision.retry_after * SECOND
            assert decide(limit, empty_at, wait, 1)[1].allowed


@given(limits, steps)
def test_rejected_and_peeked_requests_consume_nothing(
    limit: Limit, taken: list[tuple[int, int]]
) -> None:
    empty_at, now = 0, 0
    for later, cost in taken:
        now += later
        assert decide(limit, empty_at, now, 0)[0] == max(empty_at, now)
        after, decision = decide(limit, empty_at, now, cost)
        if not decision.allowed:
            assert after == max(empty_at, now)
        empty_at = after


@given(limits, st.integers(1, 5), st.integers(0, SECOND))
def test_refunded_units_leave_no_trace(limit: Limit, before: int, now: int) -> None:
    empty_at, _ = decide(limit, 0, now, min(before, limit.requests))
    taken, decision = decide(limit, empty_at, now, 1)
    if decision.allowed:
        assert decide(limit, taken, now, -1)[0] == empty_at
    # More than was taken is not given back.
    assert decide(limit, now, now, -1)[0] == now


@given(limits, limits, st.integers(1, 1_000_000))
def test_a_counter_filled_under_another_limit_drains_within_this_window(
    one: Limit, other: Limit, cost: int
) -> None:
    empty_at, _ = decide(one, 0, 0, min(cost, one.requests))
    empty_at, decision = decide(other, empty_at, 0, 1)
    assert decision.reset <= other.seconds
    assert decide(other, empty_at, other.period, 1)[1].allowed


@given(limits, limits, st.integers(1, 1_000_000), st.integers(0, SECOND))
def test_a_changed_limit_takes_over_what_was_used(
    one: Limit, other: Limit, cost: int, now: int
) -> None:
    used = min(cost, one.requests)
    empty_at, _ = decide(one, 0, now, used)
    moment = carried_over(empty_at, one.interval, other, now)
    assert decide(other, moment, now, 0)[1].remaining == max(0, other.requests - used)
    # Changed back at once, nothing was won or lost but what the narrower limit cannot hold.
    assert carried_over(moment, other.interval, one, now) == empty_at
    # What was empty stays empty.
    assert carried_over(now - 1, one.interval, other, now) == now


@given(limits, limits, steps)
def test_traffic_within_a_stricter_limit_is_within_the_looser_one(
    narrow: Limit, wide: Limit, taken: list[tuple[int, int]]
) -> None:
    if not narrow.is_within(wide):
        return
    mine = theirs = now = 0
    for later, cost in taken:
        now += later
        mine, decision = decide(narrow, mine, now, cost)
        if decision.allowed and narrow.interval * wide.requests >= wide.interval * wide.requests:
            theirs, wider = decide(wide, theirs, now, cost)
            assert wider.allowed


@pytest.mark.parametrize(
    ("narrow", "wide", "within"),
    [
        (Limit(10, 60), Limit(10, 60), True),
        (Limit(9, 60), Limit(10, 60), True),
        (Limit(10, 61), Limit(10, 60), True),
        (Limit(11, 60), Limit(10, 60), False),
        (Limit(11, 600), Limit(10, 60), False),
        (Limit(5, 10), Limit(10, 60), False),
        (Limit(1, 6), Limit(10, 60), True),
    ],
)
def test_which_limit_is_within_which(*, narrow: Limit, wide: Limit, within: bool) -> None:
    assert narrow.is_within(wide) is within


def test_what_a_response_says() -> None:
    limit = Limit(2, 60)
    empty_at, first = decide(limit, 0, 0, 1)
    assert first.headers() == {
        "RateLimit-Limit": "2",
        "RateLimit-Remaining": "1",
        "RateLimit-Reset": "30",
    }
    empty_at, _ = decide(limit, empty_at, SECOND, 1)
    assert decide(limit, empty_at, SECOND + 1, 1)[1].headers() == {
        "RateLimit-Limit": "2",
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": "59",
        "Retry-After": "29",
    }
