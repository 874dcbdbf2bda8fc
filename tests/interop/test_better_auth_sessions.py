"""better-auth with another cookie prefix and other session lifetimes, on the same database."""

from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie
from typing import Any

import httpx
import pytest
from interop.better_auth import BetterAuth, Person, Serve
from support import Database, Server, iso, serving

DAYS_2 = 2 * 86_400

# Both sides with one prefix, and better-auth with sessions of two days.
pytestmark = [
    pytest.mark.server(HOOKSTREAM_COOKIE_PREFIX="acme"),
    pytest.mark.better_auth(cookiePrefix="acme", session={"expiresIn": DAYS_2}),
]
NAME = "acme.session_token"


def set_cookies(answer: httpx.Response) -> SimpleCookie:
    jar = SimpleCookie()
    for field in answer.headers.get_list("set-cookie"):
        jar.load(field)
    return jar


def session_here(server: Server, header: str) -> httpx.Response:
    return server.request("GET", "/auth/get-session", headers={"Cookie": header})


def age(database: Database, token: str, seconds: float, lifetime: float) -> None:
    """Let a session have been renewed so many seconds ago."""
    begun = datetime.now(UTC) - timedelta(seconds=seconds)
    database.execute(
        'update "session" set "updatedAt" = ?, "expiresAt" = ? where token = ?',
        (iso(begun), iso(begun + timedelta(seconds=lifetime)), token),
    )


def left(database: Database, token: str) -> float:
    """How many seconds a session lasts."""
    rows = database.execute('select "expiresAt" from "session" where token = ?', (token,))
    return (datetime.fromisoformat(rows[0][0]) - datetime.now(UTC)).total_seconds()


def test_a_cookie_of_either_side_works_on_the_other(
    server: Server, better_auth: BetterAuth
) -> None:
    tenant = server.database.tenant
    theirs = better_auth.sign_in(tenant.email, tenant.password)
    assert theirs.cookie.startswith(f"{NAME}=")
    found = session_here(server, theirs.cookie).json()
    assert found["session"]["token"] == theirs.token

    body = {"email": tenant.email, "password": tenant.password}
    answer = server.request("POST", "/auth/sign-in/email", json=body)
    ours = f"{NAME}={set_cookies(answer)[NAME].value}"
    shown = better_auth.session_of(ours)
    assert shown is not None
    assert shown["session"]["token"] == answer.json()["token"]


def test_a_session_keeps_the_lifetime_that_better_auth_gave_it(
    server: Server, better_auth: BetterAuth
) -> None:
    person: Person = better_auth.sign_up()
    assert DAYS_2 - 60 < left(server.database, person.token) <= DAYS_2
    age(server.database, person.token, 1.1 * 86_400, DAYS_2)
    answer = session_here(server, person.cookie)
    assert answer.json() is not None
    assert DAYS_2 - 60 < left(server.database, person.token) <= DAYS_2
    assert set_cookies(answer)[NAME]["max-age"] == str(DAYS_2)


@pytest.mark.parametrize(
    ("age_of_it", "expires_in", "update_age"),
    [(599, 3600, 600), (601, 3600, 600), (86_390, 604_800, 86_400), (86_410, 604_800, 86_400)],
)
def test_both_sides_renew_at_the_same_moment(
    database: Database, serve: Serve, *, age_of_it: int, expires_in: int, update_age: int
) -> None:
    tenant = database.init()
    options: dict[str, Any] = {"expiresIn": expires_in, "updateAge": update_age}
    with (
        serve(database, session=options) as better_auth,
        serving(
            database,
            HOOKSTREAM_SESSION_EXPIRES_IN=str(expires_in),
            HOOKSTREAM_SESSION_UPDATE_AGE=str(update_age),
        ) as server,
    ):
        person = better_auth.sign_in(tenant.email, tenant.password)
        renewed = []
        for ask in (
            lambda: better_auth.session_of(person.cookie),
            lambda: session_here(server, person.cookie).json(),
        ):
            age(database, person.token, age_of_it, expires_in)
            assert ask() is not None
            renewed.append(left(database, person.token) > expires_in - 60)
        assert renewed == [age_of_it >= update_age] * 2
