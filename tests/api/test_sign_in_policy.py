"""better-auth's policy at /auth/sign-in/email and /auth/sign-up/email, without better-auth."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from support import Database, Server, Tenant, assert_error, serving

pytestmark = pytest.mark.server(workers=2)


PLUGIN_COLUMNS = (
    '"banned" boolean',
    '"banReason" text',
    '"banExpires" timestamptz',
    '"twoFactorEnabled" boolean',
)


@pytest.fixture(scope="module")
def server_database(server_database: Database) -> Database:
    """With the columns of better-auth's plugins."""
    for column in PLUGIN_COLUMNS:
        server_database.execute(f'alter table "user" add column {column}')
    return server_database


@pytest.fixture
def tenant(server: Server) -> Iterator[Tenant]:
    yield server.database.tenant
    server.database.execute('update "user" set banned = false, "banExpires" = null')
    server.database.execute('update "user" set "twoFactorEnabled" = null, "emailVerified" = true')


def sign_in(server: Server, tenant: Tenant, password: str | None = None) -> httpx.Response:
    body = {"email": tenant.email, "password": password or tenant.password}
    return server.request("POST", "/auth/sign-in/email", json=body)


@pytest.mark.not_in_sandbox(
    reason="better-auth's columns are there when a server starts, and a sandbox starts first"
)
@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ("banned = true", "BANNED_USER"),
        ("banned = 'true', \"banExpires\" = '2999-01-01T00:00:00.000Z'", "BANNED_USER"),
        ('"twoFactorEnabled" = true', "TWO_FACTOR_REQUIRED"),
    ],
)
def test_403_to_the_right_password_of_a_user_who_may_not_sign_in(
    server: Server, tenant: Tenant, columns: str, code: str
) -> None:
    server.database.execute(f'update "user" set {columns}')
    sessions = server.database.count('"session"')
    answer = sign_in(server, tenant)
    error = assert_error(answer, 403, code)
    assert error["message"] == error["error"]
    assert "set-cookie" not in answer.headers
    assert "set-auth-token" not in answer.headers
    assert server.database.count('"session"') == sessions
    wrong = assert_error(sign_in(server, tenant, "wrong"), 401, "INVALID_EMAIL_OR_PASSWORD")
    assert wrong["error"] == "Invalid email or password"


def test_200_after_a_ban_has_ended(server: Server, tenant: Tenant) -> None:
    server.database.execute(
        'update "user" set banned = true, "banExpires" = \'2020-01-01T00:00:00.000Z\''
    )
    assert sign_in(server, tenant).status_code == 200


@pytest.mark.not_in_sandbox(
    reason="better-auth's columns are there when a server starts, and a sandbox starts first"
)
def test_401_to_every_session_of_a_banned_user_on_every_worker(
    server: Server, tenant: Tenant
) -> None:
    headers = {"Authorization": f"Bearer {sign_in(server, tenant).json()['token']}"}

    def statuses() -> set[int]:
        asked = [server.request("GET", "/organizations", headers=headers) for _ in range(16)]
        return {answer.status_code for answer in asked}

    assert statuses() == {200}
    server.database.execute('update "user" set banned = true')
    assert statuses() == {401}
    body: dict[str, Any] = {"name": "Acme"}
    answer = server.request("POST", "/organizations", json=body, headers=headers)
    assert_error(answer, 401, "unauthorized")
    server.database.execute('update "user" set banned = false')
    assert statuses() == {200}


def test_403_to_an_address_that_is_not_verified_where_it_must_be(database: Database) -> None:
    tenant = database.init()
    with serving(
        database, HOOKSTREAM_REQUIRE_EMAIL_VERIFICATION="on", HOOKSTREAM_SIGN_UP="open"
    ) as server:
        assert sign_in(server, tenant).status_code == 200
        database.execute('update "user" set "emailVerified" = false')
        assert_error(sign_in(server, tenant), 403, "EMAIL_NOT_VERIFIED")
        assert_error(sign_in(server, tenant, "wrong"), 401, "INVALID_EMAIL_OR_PASSWORD")

        sessions = database.count('"session"')
        up = {"name": "Ada", "email": "ada@example.com", "password": "correct horse"}
        answers = [server.request("POST", "/auth/sign-up/email", json=up) for _ in range(2)]
        for answer in answers:
            # The second is about the same address, and does not tell.
            assert answer.status_code == 200
            assert answer.json()["token"] is None
            assert answer.json()["user"]["email"] == "ada@example.com"
            assert answer.headers["cache-control"] == "no-store"
            assert "set-cookie" not in answer.headers
            assert "set-auth-token" not in answer.headers
        first, second = (answer.json()["user"]["id"] for answer in answers)
        assert database.execute('select id from "user" where email = ?', (up["email"],)) == [
            (first,)
        ]
        assert second != first
        assert database.count('"session"') == sessions


def test_403_where_sign_in_by_password_is_closed(database: Database) -> None:
    tenant = database.init()
    token = database.add_session(tenant.user_id)
    with serving(database, HOOKSTREAM_SIGN_IN="closed") as server:
        for password in (None, "wrong"):
            answer = sign_in(server, tenant, password)
            error = assert_error(answer, 403, "EMAIL_PASSWORD_DISABLED")
            assert error["message"] == "Email and password is not enabled"
        headers = {"Authorization": f"Bearer {token}"}
        assert server.request("GET", "/auth/whoami", headers=headers).status_code == 200
