"""The signing secret is changed: what was signed before still works, until it is dropped."""

import secrets
from datetime import timedelta
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from support import Database, Server, Tenant, cookie, iso, run, serving, signed

from hookstream_keys.domain.timestamps import now

OLD, NEW = "old-" + "0123456789abcdef" * 2, "new-" + "fedcba9876543210" * 2


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


def kept_in_a_file(database: Database) -> str:
    """The secret that a server has which was given none."""
    return database.path.with_name(database.path.name + ".secret").read_text("ascii").strip()


def keys_after(server: Server, tenant: Tenant, cursor: str = "") -> dict[str, Any]:
    query = {"org_id": tenant.org_id, "limit": 1} | ({"cursor": cursor} if cursor else {})
    headers = {"X-API-Key": tenant.key}
    answer = server.request("GET", "/auth/api-keys", params=query, headers=headers)
    assert answer.status_code == 200
    page: dict[str, Any] = answer.json()
    return page


def add_old_session(database: Database, tenant: Tenant) -> str:
    """A session that is due to be renewed."""
    token = database.add_session(tenant.user_id)
    database.execute(
        'update "session" set "expiresAt" = ?, "updatedAt" = ? where token = ?',
        (iso(now() + timedelta(days=5)), iso(now() - timedelta(days=2)), token),
    )
    return token


def test_sessions_signed_by_an_old_secret_work_until_it_is_removed(database: Database) -> None:
    tenant = database.init()
    token, due = database.add_session(tenant.user_id), add_old_session(database, tenant)
    once = secrets.token_hex(16)
    with serving(database, BETTER_AUTH_SECRET="") as server:
        old = kept_in_a_file(database)
        assert whoami(server, {"Cookie": cookie(token, secret=old)}) == 200
        first = create_once(server, tenant, once).json()
        page = keys_after(server, tenant)

    rotated = {"BETTER_AUTH_SECRETS": f"2:{NEW},1:{old}", "BETTER_AUTH_SECRET": OLD}
    with serving(database, **rotated) as server:  # type: ignore[arg-type] # none is an int
        for secret in (old, OLD, NEW):
            assert whoami(server, {"Cookie": cookie(token, secret=secret)}) == 200
            assert whoami(server, bearer(token, secret)) == 200
        # A retry of a create from before the rotation is replayed, and creates nothing.
        keys = database.count("api_key")
        again = create_once(server, tenant, once)
        assert again.headers["idempotency-replayed"] == "true"
        assert again.json() == first
        assert database.count("api_key") == keys
        other = create_once(server, tenant, kept := secrets.token_hex(16)).json()
        # A cursor is not signed; it goes on.
        assert keys_after(server, tenant, page["cursor"])["api_keys"]
        # Who signs in now, or is renewed, has a cookie of the new secret.
        answer = sign_in(server, tenant)
        new_cookie = value_of(answer)
        assert new_cookie == signed(answer.json()["token"], NEW)
        assert answer.headers["set-auth-token"] == new_cookie
        headers = {"Cookie": cookie(due, secret=old)}
        renewed = server.request("GET", "/auth/whoami", headers=headers)
        assert value_of(renewed) == signed(due, NEW)

    with serving(database, BETTER_AUTH_SECRETS=f"2:{NEW}", BETTER_AUTH_SECRET="") as server:
        for secret in (old, OLD):
            assert whoami(server, {"Cookie": cookie(token, secret=secret)}) == 401
            assert whoami(server, bearer(token, secret)) == 401
        assert whoami(server, {"Cookie": cookie(token, secret=NEW)}) == 200
        assert whoami(server, {"Cookie": f"better-auth.session_token={new_cookie}"}) == 200
        assert create_once(server, tenant, kept).json() == other
        # Its idempotency record is encrypted with a secret that is gone.
        assert create_once(server, tenant, once).json()["key"] != first["key"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BETTER_AUTH_SECRETS", NEW),
        ("BETTER_AUTH_SECRETS", f"2:{NEW},1:short"),
    ],
)
def test_a_server_with_invalid_signing_secrets_refuses_to_start_and_shows_none(
    database: Database, variable: str, value: str
) -> None:
    answer = run("serve", "--port", "0", database=database.path, **{variable: value})
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1
    assert variable in answer.stderr
    assert not any(part in answer.stdout + answer.stderr for part in (NEW[:31], OLD, "short"))
