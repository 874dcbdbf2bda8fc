"""The cookies of a session, as better-auth sets and reads them."""

from datetime import timedelta
from urllib.parse import quote

import pytest

from hookstream_keys.auth.session_cookies import SessionCookies
from hookstream_keys.domain.signing import Signer

SIGNER = Signer("a secret")
TOKEN = "t" * 32
WEEK = timedelta(days=7)
COOKIES = SessionCookies(SIGNER)


def value(text: str) -> str:
    return quote(SIGNER.sign(text), safe="")


def test_cookies_over_http() -> None:
    assert COOKIES.give(TOKEN, WEEK, secure=False) == [
        f"better-auth.session_token={value(TOKEN)}; Max-Age=604800; Path=/; HttpOnly; SameSite=Lax",
        "better-auth.dont_remember=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax",
    ]


def test_cookies_over_https_until_the_window_closes() -> None:
    end = "Path=/; HttpOnly; SameSite=Lax; Secure"
    assert COOKIES.give(TOKEN, None, secure=True) == [
        f"__Secure-better-auth.session_token={value(TOKEN)}; {end}",
        f"__Secure-better-auth.dont_remember={value('true')}; {end}",
    ]


def test_cookies_that_take_the_session_away() -> None:
    assert COOKIES.clear(secure=False) == [
        f"{name}=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax"
        for name in ("better-auth.session_token", "better-auth.dont_remember")
    ]


def test_the_age_is_what_is_left_in_whole_seconds() -> None:
    for lasts, age in ((timedelta(seconds=3599.9995), 3600), (timedelta(milliseconds=1), 0)):
        assert f"; Max-Age={age}; " in COOKIES.give(TOKEN, lasts, secure=False)[0]


@pytest.mark.parametrize("prefix", ["acme", "acme_auth.v2", "123"])
def test_every_name_begins_with_the_prefix(prefix: str) -> None:
    made = SessionCookies(SIGNER, prefix)
    for secure, begins in ((False, prefix), (True, f"__Secure-{prefix}")):
        fields = [*made.give(TOKEN, WEEK, secure=secure), *made.clear(secure=secure)]
        names = [field.partition("=")[0] for field in fields]
        assert set(names) == {f"{begins}.session_token", f"{begins}.dont_remember"}
    assert made.names == (f"__Secure-{prefix}.session_token", f"{prefix}.session_token")
    assert made.tokens(f"{prefix}.session_token={value(TOKEN)}") == [TOKEN]
    assert made.tokens(f"better-auth.session_token={value(TOKEN)}") == []


def test_a_token_is_read_only_with_its_signature() -> None:
    name = "better-auth.session_token"
    assert COOKIES.tokens(f"a=b; {name}={value(TOKEN)}") == [TOKEN]
    assert COOKIES.tokens(f"{name}={TOKEN}; {name}={value(TOKEN)}; {name}=x.y") == [TOKEN]
    assert COOKIES.tokens("a=b") == []


@pytest.mark.parametrize(
    ("header", "brief"),
    [
        (f"better-auth.dont_remember={value('true')}", True),
        (f"__Secure-better-auth.dont_remember={value('true')}", True),
        (f"better-auth.dont_remember={value('false')}", False),
        ("better-auth.dont_remember=true", False),
        ("better-auth.dont_remember=true.x", False),
        (f"acme.dont_remember={value('true')}", False),
        ("", False),
    ],
)
def test_a_signed_cookie_says_that_a_session_is_brief(header: str, *, brief: bool) -> None:
    assert COOKIES.is_brief(header) is brief
