"""The signing secret is changed: what was signed before still works, until it is dropped."""

import secrets
from datetime import timedelta
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from support import Database, Server, Tenant, cookie, iso, run, serving, signed

from hookstream_keys.timestamps import now

OLD, NEW = "old-" + "0123456789abcdef" * 2, "new-" + "fedcba9876543210" * 2

#: Either way of saying what the old secret is while the new one signs.
ROTATED: dict[str, dict[str, Any]] = {
    "both versions": {"BETTER_AUTH_SECRETS": f"2:{NEW},1:{OLD}", "BETTER_AUTH_SECRET": ""},
    "the single one is the older": {"BETTER_AUTH_SECRETS": f"2:{NEW}", "BETTER_AUTH_SECRET": OLD},
}


def whoami(server: Server, headers: dict[str, str]) -> int:
    return server.request("GET", "/auth/whoami", headers=headers).status_code


def bearer(token: str, secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {signed(token, secret)}"}


def create_once(server: Server, tenant: Tenant, key: str) -> httpx.Response:
    return server.request(
        "POST",
        "/auth/api-keys",
        json={"name": "once", "org_id": tenant.org_id, "env_id": tenant.env_id},
        headers={"X-API-Key": tenant.key, "Idempotency-Key": key},
    )


def value_of(answer: httpx.Response) -> str:
    jar: SimpleCookie = SimpleCookie()
    for field in answer.headers.get_list("set-cookie"):
        jar.load(field)
    return unquote(jar["better-auth.session_token"].value)


def sign_in(server: Server, tenant: Tenant) -> httpx.Response:
    body: dict[str, Any] = {"email": tenant.email, "password": tenant.password}
    return server.request("POST", "/auth/sign-in/email", json=body)


@pytest.mark.parametrize("how", ROTATED)
def test_what_an_old_secret_signed_works_until_it_is_dropped(database: Database, how: str) -> None:
    tenant = database.init()
    token = database.add_session(tenant.user_id)
    once = secrets.token_hex(16)
    with serving(database, BETTER_AUTH_SECRET=OLD) as server:
        assert whoami(server, {"Cookie": cookie(token, secret=OLD)}) == 200
        first = create_once(server, tenant, once).json()
        create_once(server, tenant, secrets.token_hex(16))
        page = server.request(
            "GET",
            "/auth/api-keys",
            params={"org_id": tenant.org_id, "limit": 1},
            headers={"X-API-Key": tenant.key},
        ).json()

    with serving(database, **ROTATED[how]) as server:
        for secret in (OLD, NEW):
            assert whoami(server, {"Cookie": cookie(token, secret=secret)}) == 200
            assert whoami(server, bearer(token, secret)) == 200
        # The retry of a create from before the change is given its answer, and makes nothing.
        keys = database.count("api_key")
        again = create_once(server, tenant, once)
        assert again.headers["idempotency-replayed"] == "true"
        assert again.json() == first
        assert database.count("api_key") == keys
        other = create_once(server, tenant, kept := secrets.token_hex(16)).json()
        # A cursor is not signed; it goes on.
        answer = server.request(
            "GET",
            "/auth/api-keys",
            params={"org_id": tenant.org_id, "limit": 1, "cursor": page["cursor"]},
            headers={"X-API-Key": tenant.key},
        )
        assert answer.status_code == 200
        # Who signs in now has a cookie of the new secret.
        answer = sign_in(server, tenant)
        new_cookie = value_of(answer)
        assert new_cookie == signed(answer.json()["token"], NEW)
        assert answer.headers["set-auth-token"] == new_cookie

    with serving(database, BETTER_AUTH_SECRETS=f"2:{NEW}", BETTER_AUTH_SECRET="") as server:
        assert whoami(server, {"Cookie": cookie(token, secret=OLD)}) == 401
        assert whoami(server, bearer(token, OLD)) == 401
        assert whoami(server, {"Cookie": cookie(token, secret=NEW)}) == 200
        assert whoami(server, {"Cookie": f"better-auth.session_token={new_cookie}"}) == 200
        assert create_once(server, tenant, kept).json() == other
        # Its receipt is sealed with what nobody has any more.
        assert create_once(server, tenant, once).json()["key"] != first["key"]


def test_a_session_that_is_renewed_has_a_cookie_of_the_new_secret(database: Database) -> None:
    tenant = database.init()
    token = database.add_session(tenant.user_id)
    database.execute(
        'update "session" set "expiresAt" = ?, "updatedAt" = ?',
        (iso(now() + timedelta(days=5)), iso(now() - timedelta(days=2))),
    )
    with serving(database, **ROTATED["both versions"]) as server:
        headers = {"Cookie": cookie(token, secret=OLD)}
        renewed = server.request("GET", "/auth/whoami", headers=headers)
    assert value_of(renewed) == signed(token, NEW)


def test_several_servers_learn_a_secret_before_any_signs_with_it(database: Database) -> None:
    tenant = database.init()
    with serving(database, BETTER_AUTH_SECRETS=f"1:{OLD},2:{NEW}", BETTER_AUTH_SECRET="") as server:
        answer = sign_in(server, tenant)
        assert value_of(answer) == signed(answer.json()["token"], OLD)
        assert whoami(server, bearer(answer.json()["token"], NEW)) == 200


def test_the_file_beside_the_database_is_the_old_one_of_the_first_change(
    database: Database,
) -> None:
    tenant = database.init()
    assert run("init", database=database.path, BETTER_AUTH_SECRET="").returncode == 0
    kept = database.path.with_name(database.path.name + ".secret").read_text().strip()
    token = database.add_session(tenant.user_id)
    settings: dict[str, Any] = {
        "BETTER_AUTH_SECRETS": f"2:{NEW},1:{kept}",
        "BETTER_AUTH_SECRET": "",
    }
    with serving(database, **settings) as server:
        assert whoami(server, {"Cookie": cookie(token, secret=kept)}) == 200
    with serving(database, BETTER_AUTH_SECRETS=f"2:{NEW}", BETTER_AUTH_SECRET="") as server:
        assert whoami(server, {"Cookie": cookie(token, secret=kept)}) == 401


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BETTER_AUTH_SECRETS", NEW),
        ("BETTER_AUTH_SECRETS", f"2:{NEW},2:{OLD}"),
        ("BETTER_AUTH_SECRETS", f"2:{NEW},1:short"),
        ("BETTER_AUTH_SECRET", NEW[:31]),
    ],
)
def test_a_server_with_secrets_that_are_no_good_does_not_start_and_tells_none(
    database: Database, variable: str, value: str
) -> None:
    answer = run("serve", "--port", "0", database=database.path, **{variable: value})
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1
    assert variable in answer.stderr
    assert not any(part in answer.stdout + answer.stderr for part in (NEW[:31], OLD, "short"))
