"""How long sessions last, and when they are renewed."""

import dataclasses
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit import samples

from hookstream_keys.auth import sessions
from hookstream_keys.auth.sessions import BRIEF_LIFETIME, LIFETIME, Lifetimes
from hookstream_keys.domain import timestamps
from hookstream_keys.domain.sources import SYSTEM_RANDOM
from hookstream_keys.settings import Settings
from hookstream_keys.store import Session

NOON = datetime.fromisoformat(samples.NOON)
TOKEN = "t" * 32
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def session(updated_at: datetime, lasts: timedelta, created_at: datetime = NOON) -> Session:
    return Session(
        id="ses_1",
        user_id="usr_1",
        token=TOKEN,
        expires_at=timestamps.to_text(updated_at + lasts),
        created_at=timestamps.to_text(created_at),
        updated_at=timestamps.to_text(updated_at),
    )


def lifetimes(**settings: Any) -> Lifetimes:
    return Lifetimes.of(dataclasses.replace(Settings(), **settings))


def test_a_token_is_32_random_letters_and_digits() -> None:
    tokens = [sessions.new_token(SYSTEM_RANDOM) for _ in range(100)]
    assert all(re.fullmatch("[A-Za-z0-9]{32}", token) for token in tokens)
    assert len(set(tokens)) == 100


def test_a_session_does_not_show_its_token() -> None:
    assert TOKEN not in repr(session(NOON, LIFETIME))


def test_the_defaults_are_better_auths() -> None:
    assert lifetimes() == Lifetimes()
    assert lifetimes(session_expires_in="604800").expires_in == LIFETIME == timedelta(days=7)
    assert lifetimes().update_age == DAY
    assert (lifetimes().expires_in, lifetimes().max_lifetime) == (None, None)


@pytest.mark.parametrize(
    ("settings", "lasts", "brief"),
    [
        ({}, LIFETIME, BRIEF_LIFETIME),
        ({"session_expires_in": "3600"}, HOUR, HOUR),
        ({"session_expires_in": "2592000"}, 30 * DAY, BRIEF_LIFETIME),
        ({"session_max_lifetime": "3600"}, HOUR, HOUR),
        ({"session_max_lifetime": "172800"}, 2 * DAY, BRIEF_LIFETIME),
    ],
)
def test_a_new_session_lasts_as_long_as_is_set(
    settings: dict[str, str], lasts: timedelta, brief: timedelta
) -> None:
    asked = lifetimes(**settings)
    assert asked.first_end(NOON, brief=False) == NOON + lasts
    assert asked.first_end(NOON, brief=True) == NOON + brief


# Renewal


@pytest.mark.parametrize("days", [2, 3, 6, 7, 30])
def test_a_session_is_renewed_by_its_own_lifetime(days: int) -> None:
    lasts = timedelta(days=days)
    for age, due in ((timedelta(0), False), (DAY - timedelta(minutes=1), False), (DAY, True)):
        end = Lifetimes().renewed_end(session(NOON, lasts), NOON + age)
        assert end == (NOON + age + lasts if due else None)


@given(
    lasts=st.integers(2 * 86_400, 90 * 86_400),
    age=st.integers(0, 90 * 86_400),
    update_age=st.integers(0, 10 * 86_400),
)
def test_renewal_never_shortens_and_never_gives_more_than_the_own_lifetime(
    lasts: int, age: int, update_age: int
) -> None:
    asked = lifetimes(session_update_age=str(update_age))
    lifetime, now = timedelta(seconds=lasts), NOON + timedelta(seconds=age)
    end = asked.renewed_end(session(NOON, lifetime), now)
    assert (end is not None) is (age >= update_age and age > 0)
    assert end is None or end == now + lifetime


@given(
    left=st.integers(-86_400, 30 * 86_400),
    expires_in=st.integers(1, 30 * 86_400),
    update_age=st.integers(0, 10 * 86_400),
)
def test_with_a_lifetime_set_renewal_is_better_auths_rule(
    left: int, expires_in: int, update_age: int
) -> None:
    asked = lifetimes(session_expires_in=str(expires_in), session_update_age=str(update_age))
    # Begun so long ago that it is not taken for brief.
    found = session(NOON - timedelta(days=40), timedelta(days=40, seconds=left))
    # `expiresAt - expiresIn + updateAge <= now`
    due = left - expires_in + update_age <= 0
    end = asked.renewed_end(found, NOON)
    gains = expires_in > left
    assert end == (NOON + timedelta(seconds=expires_in) if due and gains else None)


@pytest.mark.parametrize("settings", [{}, {"session_expires_in": "604800"}])
@pytest.mark.parametrize("hours", [0, 12, 23, 24])
def test_a_brief_session_is_never_renewed(settings: dict[str, str], hours: int) -> None:
    # better-auth reads the clock twice for one.
    for lasts in (BRIEF_LIFETIME, BRIEF_LIFETIME - timedelta(milliseconds=3), HOUR):
        assert lifetimes(**settings).renewed_end(session(NOON, lasts), NOON + hours * HOUR) is None


def test_a_session_of_a_day_or_less_is_renewed_where_that_is_set() -> None:
    for seconds in (3600, 86_400):
        asked = lifetimes(session_expires_in=str(seconds), session_update_age="600")
        lasts = timedelta(seconds=seconds) - timedelta(milliseconds=3)
        assert asked.renewed_end(session(NOON, lasts), NOON + timedelta(seconds=599)) is None
        now = NOON + timedelta(seconds=600)
        assert asked.renewed_end(session(NOON, lasts), now) == now + timedelta(seconds=seconds)


# An absolute end


def test_a_session_is_not_renewed_beyond_its_absolute_expiry() -> None:
    asked = lifetimes(session_max_lifetime=str(10 * 86_400))
    assert asked.renewed_end(session(NOON, LIFETIME), NOON + 2 * DAY) == NOON + 9 * DAY
    assert asked.renewed_end(session(NOON, LIFETIME), NOON + 5 * DAY) == NOON + 10 * DAY
    # Then it ends there already.
    last = session(NOON + 5 * DAY, 5 * DAY, created_at=NOON)
    for days in (6, 9):
        assert asked.renewed_end(last, NOON + days * DAY) is None


def test_a_better_auth_session_has_the_absolute_expiry_too() -> None:
    asked = lifetimes(session_max_lifetime=str(10 * 86_400))
    long = session(NOON, 30 * DAY)
    assert asked.end(long) == NOON + 10 * DAY
    for later, ended in ((10 * DAY - timedelta(milliseconds=1), False), (10 * DAY, True)):
        assert asked.has_ended(long, NOON + later) is ended
        assert not Lifetimes().has_ended(long, NOON + later)
    assert asked.renewed_end(long, NOON + 5 * DAY) is None
    assert Lifetimes().end(long) == NOON + 30 * DAY


@given(changes=st.fixed_dictionaries({"session_update_age": st.sampled_from(["0", "3600"])}))
def test_a_session_that_was_just_renewed_is_not_due(changes: dict[str, Any]) -> None:
    renewed = session(NOON, LIFETIME)
    assert lifetimes(**changes).renewed_end(renewed, NOON) is None
