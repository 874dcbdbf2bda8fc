"""better-auth's own policy at sign-in: both sides refuse the same users with the same answers."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from interop.better_auth import BetterAuth, Person, Run, Serve
from support import Database, Server, assert_error, cookie, iso, serving

PASSWORD = "correct horse"
PLUGINS = {"admin": True, "twoFactor": True}

pytestmark = [
    pytest.mark.server(workers=2, HOOKSTREAM_RATE_LIMIT="off"),
    pytest.mark.better_auth(**PLUGINS),
]


@pytest.fixture(scope="module")
def server_database(server_database: Database, peer: Run) -> Database:
    """With the columns of better-auth's admin and two-factor plugins."""
    peer("migrate", server_database, **PLUGINS)
    return server_database


@pytest.fixture
def ada(better_auth: BetterAuth) -> Person:
    return better_auth.sign_up()


def change(database: Database, person: Person, **columns: Any) -> None:
    names = ", ".join(f'"{name}" = ?' for name in columns)
    database.execute(f'update "user" set {names} where id = ?', (*columns.values(), person.id))


def here(server: Server, email: str, password: str = PASSWORD) -> httpx.Response:
    body = {"email": email, "password": password}
    return server.request("POST", "/auth/sign-in/email", json=body)


def there(better_auth: BetterAuth, email: str, password: str = PASSWORD) -> httpx.Response:
    return better_auth.post("/sign-in/email", {"email": email, "password": password})


def assert_same(ours: httpx.Response, theirs: httpx.Response, status: int, code: str) -> None:
    """The status, code and message of both sides."""
    assert_same_but_status(ours, theirs, (status, status), code)


def assert_same_but_status(
    ours: httpx.Response, theirs: httpx.Response, statuses: tuple[int, int], code: str
) -> None:
    """The code and message of both sides, ours with the first status."""
    status, their_status = statuses
    assert theirs.status_code == their_status, theirs.text
    assert theirs.json()["code"] == code
    assert assert_error(ours, status, code)["message"] == theirs.json()["message"]
    assert "set-cookie" not in ours.headers


def test_a_banned_user_is_refused_on_both_sides(
    server: Server, better_auth: BetterAuth, ada: Person, server_database: Database
) -> None:
    change(server_database, ada, banned=1, banReason="spam")
    assert_same(here(server, ada.email), there(better_auth, ada.email), 403, "BANNED_USER")
    # The reason shows only after the right password.
    wrong = here(server, ada.email, "wrong"), there(better_auth, ada.email, "wrong")
    assert_same(*wrong, 401, "INVALID_EMAIL_OR_PASSWORD")


def test_a_ban_that_better_auths_admin_set_holds_here_and_ends(
    server: Server, better_auth: BetterAuth, ada: Person, server_database: Database
) -> None:
    server_database.execute(
        "update \"user\" set role = 'admin' where id = ?", (server_database.tenant.user_id,)
    )
    admin = better_auth.sign_in(server_database.tenant.email, server_database.tenant.password)
    better_auth.do(admin, "/admin/ban-user", userId=ada.id, banExpiresIn=3600)
    assert_same(here(server, ada.email), there(better_auth, ada.email), 403, "BANNED_USER")
    better_auth.do(admin, "/admin/unban-user", userId=ada.id)
    assert here(server, ada.email).status_code == 200


@pytest.mark.parametrize(("hours", "holds"), [(1, True), (-1, False)])
def test_a_ban_may_have_an_expiry(
    server: Server,
    better_auth: BetterAuth,
    ada: Person,
    server_database: Database,
    *,
    hours: int,
    holds: bool,
) -> None:
    change(
        server_database, ada, banned=1, banExpires=iso(datetime.now(UTC) + timedelta(hours=hours))
    )
    ours = here(server, ada.email)
    if holds:
        assert_same(ours, there(better_auth, ada.email), 403, "BANNED_USER")
    else:
        assert ours.status_code == there(better_auth, ada.email).status_code == 200


def test_sessions_of_a_banned_user_authenticate_nothing_on_any_worker(
    server: Server, better_auth: BetterAuth, ada: Person, server_database: Database
) -> None:
    token = here(server, ada.email).json()["token"]
    ways = [
        {"Authorization": f"Bearer {token}"},
        {"Authorization": f"Bearer {ada.token}"},
        {"Cookie": cookie(ada.token)},
    ]

    def statuses() -> set[int]:
        return {
            server.request("GET", "/auth/whoami", headers=headers).status_code
            for headers in ways
            for _ in range(8)
        }

    assert statuses() == {200}
    change(server_database, ada, banned=1)
    assert statuses() == {401}
    assert server.request("GET", "/auth/get-session", headers=ways[0]).json() is None
    change(server_database, ada, banned=0)
    assert statuses() == {200}


def test_two_factor_gives_no_session_on_either_side(
    server: Server, better_auth: BetterAuth, ada: Person, server_database: Database
) -> None:
    change(server_database, ada, twoFactorEnabled=1)
    before = server_database.count('"session"')
    theirs = there(better_auth, ada.email)
    assert (theirs.status_code, theirs.json()["twoFactorRedirect"]) == (200, True)
    assert "token" not in theirs.json()
    # There is no second factor here, so what better-auth's client gets is an error.
    ours = here(server, ada.email)
    error = assert_error(ours, 403, "TWO_FACTOR_REQUIRED")
    assert error["message"] == error["error"]
    assert "set-cookie" not in ours.headers
    assert "set-auth-token" not in ours.headers
    assert server_database.count('"session"') == before
    wrong = here(server, ada.email, "wrong"), there(better_auth, ada.email, "wrong")
    assert_same(*wrong, 401, "INVALID_EMAIL_OR_PASSWORD")


@pytest.fixture(scope="module")
def strict(
    tmp_path_factory: pytest.TempPathFactory, serve: Serve
) -> Iterator[tuple[Server, BetterAuth]]:
    """Both sides, where a verified address is required."""
    database = Database(tmp_path_factory.mktemp("strict") / "hookstream.db")
    database.init()
    with ExitStack() as stack:
        server = stack.enter_context(
            serving(
                database,
                HOOKSTREAM_REQUIRE_EMAIL_VERIFICATION="on",
                HOOKSTREAM_SIGN_UP="open",
                HOOKSTREAM_RATE_LIMIT="off",
            )
        )
        better_auth = stack.enter_context(serve(database, requireEmailVerification=True))
        yield server, better_auth


@pytest.mark.parametrize("signs_up_here", [True, False])
def test_where_it_is_required_an_address_must_be_verified(
    strict: tuple[Server, BetterAuth], *, signs_up_here: bool
) -> None:
    server, better_auth = strict
    database = server.database
    email = f"{secrets.token_hex(8)}@example.com"
    up = {"name": "Ada", "email": email, "password": PASSWORD}

    def sign_up_here() -> httpx.Response:
        return server.request("POST", "/auth/sign-up/email", json=up)

    def sign_up_there() -> httpx.Response:
        return better_auth.answer_to_sign_up(up)

    sides = [sign_up_here, sign_up_there]
    sessions = database.count('"session"')
    first, again = sides if signs_up_here else sides[::-1]
    made, twice = first(), again()
    # The address is taken, and neither side says so.
    for answer in (made, twice, first()):
        assert answer.status_code == 200, answer.text
        assert answer.json()["token"] is None
        assert sorted(answer.json()["user"]) == sorted(made.json()["user"])
        assert answer.json()["user"]["email"] == email
        assert answer.json()["user"]["emailVerified"] is False
        assert "set-cookie" not in answer.headers
        assert "set-auth-token" not in answer.headers
    assert database.count('"session"') == sessions
    assert database.execute('select id from "user" where email = ?', (email,)) == [
        (made.json()["user"]["id"],)
    ]
    assert_same(here(server, email), there(better_auth, email), 403, "EMAIL_NOT_VERIFIED")
    wrong = here(server, email, "wrong"), there(better_auth, email, "wrong")
    assert_same(*wrong, 401, "INVALID_EMAIL_OR_PASSWORD")
    database.execute('update "user" set "emailVerified" = true where email = ?', (email,))
    assert here(server, email).status_code == there(better_auth, email).status_code == 200


def test_sign_in_by_password_can_be_turned_off(database: Database, serve: Serve) -> None:
    tenant = database.init()
    with serve(database) as open_side:
        theirs = open_side.sign_in(tenant.email, tenant.password)
    with (
        serve(database, enabled=False) as peer,
        serving(database, HOOKSTREAM_SIGN_IN="closed") as server,
    ):
        for password in (tenant.password, "wrong"):
            ours = here(server, tenant.email, password)
            theirs_closed = there(peer, tenant.email, password)
            assert_same_but_status(ours, theirs_closed, (403, 400), "EMAIL_PASSWORD_DISABLED")
        up = {"name": "Ada", "email": "ada@example.com", "password": PASSWORD}
        ours = server.request("POST", "/auth/sign-up/email", json=up)
        theirs_closed = peer.post("/sign-up/email", up)
        assert_same_but_status(ours, theirs_closed, (403, 400), "EMAIL_PASSWORD_SIGN_UP_DISABLED")
        # Who has a session of better-auth's is signed in all the same.
        headers = {"Cookie": theirs.cookie}
        found = server.request("GET", "/auth/whoami", headers=headers)
        assert found.json()["user_id"] == tenant.user_id
