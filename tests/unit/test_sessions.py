import dataclasses
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from unit import samples

from hookstream_keys import sessions, timestamps
from hookstream_keys.signing import Signer
from hookstream_keys.store import Session

NOON = datetime.fromisoformat(samples.NOON)
SIGNER = Signer("a secret")
TOKEN = "t" * 32


def session(updated_at: datetime, lasts: timedelta) -> Session:
    return Session(
        id="ses_1",
        user_id="usr_1",
        token=TOKEN,
        expires_at=timestamps.to_text(updated_at + lasts),
        created_at=samples.NOON,
        updated_at=timestamps.to_text(updated_at),
    )


def test_a_token_is_32_random_letters_and_digits() -> None:
    tokens = [sessions.new_token() for _ in range(100)]
    assert all(re.fullmatch("[A-Za-z0-9]{32}", token) for token in tokens)
    assert len(set(tokens)) == 100


def test_a_session_does_not_show_its_token() -> None:
    assert TOKEN not in repr(session(NOON, sessions.LIFETIME))


@pytest.mark.parametrize(
    ("age", "due"),
    [
        (timedelta(0), False),
        (timedelta(hours=23, minutes=59), False),
        (timedelta(days=1), True),
        (timedelta(days=6), True),
    ],
)
def test_a_session_is_due_when_it_is_a_day_old(*, age: timedelta, due: bool) -> None:
    assert sessions.is_due(session(NOON, sessions.LIFETIME), NOON + age) is due


@pytest.mark.parametrize("hours", [0, 12, 23, 24])
def test_a_brief_session_is_never_due(hours: int) -> None:
    brief = session(NOON, sessions.BRIEF_LIFETIME)
    assert not sessions.is_due(brief, NOON + timedelta(hours=hours))


def test_a_renewed_session_lasts_as_long_as_a_new_one() -> None:
    renewed = dataclasses.replace(
        session(NOON, sessions.LIFETIME),
        updated_at=timestamps.to_text(NOON + timedelta(days=2)),
        expires_at=sessions.expiry(NOON + timedelta(days=2)),
    )
    assert renewed.expires_at == "2026-12-03T12:00:00.000Z"
    assert not sessions.is_due(renewed, NOON + timedelta(days=2, hours=23))
    assert sessions.expiry(datetime(2026, 1, 1, tzinfo=UTC), brief=True).startswith("2026-01-02")


def test_cookies_over_http() -> None:
    signed = quote(SIGNER.sign(TOKEN), safe="")
    assert sessions.cookies(TOKEN, SIGNER, secure=False) == [
        f"better-auth.session_token={signed}; Max-Age=604800; Path=/; HttpOnly; SameSite=Lax",
        "better-auth.dont_remember=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax",
    ]


def test_cookies_over_https_until_the_window_closes() -> None:
    signed = quote(SIGNER.sign(TOKEN), safe="")
    true = quote(SIGNER.sign("true"), safe="")
    end = "Path=/; HttpOnly; SameSite=Lax; Secure"
    assert sessions.cookies(TOKEN, SIGNER, secure=True, brief=True) == [
        f"__Secure-better-auth.session_token={signed}; {end}",
        f"__Secure-better-auth.dont_remember={true}; {end}",
    ]


def test_cookies_that_take_the_session_away() -> None:
    assert sessions.no_cookies(secure=False) == [
        f"{name}=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax"
        for name in ("better-auth.session_token", "better-auth.dont_remember")
    ]
