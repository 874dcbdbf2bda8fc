"""Both clients against the real server: the life of a key, lists, errors."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from kit.client.both_clients import client_of
from kit.client.faulty_proxy import FaultyProxy, Status
from support import Database, Server, Tenant, serving

from hookstream_keys_client import (
    ApiError,
    AsyncClient,
    BadRequest,
    Client,
    Conflict,
    ConnectionFailed,
    Detail,
    HookstreamError,
    IdempotencyKeyReused,
    InsufficientScope,
    InvalidResponse,
    NotFound,
    RateLimited,
    Revocation,
    Unauthorized,
)
from hookstream_keys_client.responses import Response


def test_a_key_is_created_verified_changed_rotated_and_revoked(
    client: Client, tenant: Tenant
) -> None:
    created = client.create_api_key(
        name="Life",
        org_id=tenant.org_id,
        env_id=tenant.env_id,
        scopes="events:read",
        metadata={"plan": "pro"},
    )
    assert created["key"].startswith(created["key_prefix"])
    found = client.verify_api_key(key=created["key"], scopes="events:read")
    assert (found["valid"], found["code"]) == (True, "VALID")
    assert found["api_key"]["metadata"] == {"plan": "pro"}

    soon = (datetime.now(UTC) + timedelta(days=1)).isoformat().replace("+00:00", "Z")
    changed = client.update_api_key(created["id"], name="Renamed", expires_at=soon)
    assert (changed["name"], changed["scopes"]) == ("Renamed", "events:read")
    assert client.update_api_key(created["id"], expires_at=None)["expires_at"] is None
    assert client.get_api_key(created["id"])["name"] == "Renamed"

    cancelled = client.rotate_api_key(created["id"], grace_period_seconds=60)
    assert client.cancel_rotation(created["id"], cancelled["rotation"]["id"]) is None
    with pytest.raises(Conflict):
        client.cancel_rotation(created["id"], cancelled["rotation"]["id"])
    rotated = client.rotate_api_key(created["id"], grace_period_seconds=60)
    results = client.verify_api_keys(
        [{"key": rotated["key"]}, {"key": created["key"]}, {"key": cancelled["key"]}, {"key": "no"}]
    )
    # The new secret, the old one in its grace period, the cancelled one, and no key at all.
    assert [each["code"] for each in results] == ["VALID", "VALID", "REVOKED", "MALFORMED"]

    assert client.revoke_api_key(created["id"], reason="superseded") == Revocation(1, None)
    assert client.revoke_api_key(created["id"], descendants=True) == Revocation(0, 0)
    assert client.verify_api_key(key=rotated["key"])["code"] == "REVOKED"
    with pytest.raises(Conflict):
        client.update_api_key(created["id"], name="Again")


def test_a_leaked_key_is_revoked_by_its_secret_without_a_credential(
    kind: str, client: Client, server: Server, tenant: Tenant
) -> None:
    leaked = client.create_api_key(name="Leak", org_id=tenant.org_id, env_id=tenant.env_id)["key"]
    with client_of(kind, server.url, None) as without:
        assert without.revoke_by_secret(key=leaked, reason="keyCompromise") is None
    assert client.verify_api_key(key=leaked)["code"] == "REVOKED"


def test_a_list_is_iterated_over_all_its_pages(client: Client, tenant: Tenant) -> None:
    name = f"Page {secrets.token_hex(4)}"
    made = [
        client.create_api_key(name=name, org_id=tenant.org_id, env_id=tenant.env_id)["id"]
        for _ in range(5)
    ]
    page = client.list_api_keys(name=name, limit=2)
    assert [each["id"] for each in page["api_keys"]] == made[:2:-1]
    assert page["has_more"]
    following = client.list_api_keys(name=name, limit=2, cursor=page["cursor"])
    assert [each["id"] for each in following["api_keys"]] == made[2:0:-1]
    for limit in (2, 5, None):
        found = list(client.iter_api_keys(name=name, limit=limit))
        assert [each["id"] for each in found] == made[::-1]
    assert list(client.iter_api_keys(name="no such name")) == []
    events = list(client.iter_audit_log(resource_id=made[0], limit=1))
    assert [each["action"] for each in events] == ["api_key.created"]


def test_organizations_members_and_environments(user: Client, server: Server) -> None:
    database = server.database
    organization = user.create_organization(name="Client Ltd")
    org_id = organization["id"]
    assert user.get_organization(org_id)["role"] == "owner"
    assert user.update_organization(org_id, name="Renamed")["name"] == "Renamed"
    assert org_id in [each["id"] for each in user.iter_organizations(limit=1)]
    assert user.list_organizations(limit=1)["has_more"]

    email = f"{database.add_user()}@example.com"
    added = user.add_member(org_id, email=email, role="member")
    assert user.get_member(org_id, added["id"])["email"] == email
    changed = user.update_member(org_id, added["id"], role="admin", api_keys="keep")
    assert changed["member"]["role"] == "admin"
    assert len(user.list_members(org_id)["members"]) == 2
    assert len(list(user.iter_members(org_id, limit=1))) == 2
    assert user.remove_member(org_id, added["id"])["api_keys"]["revoked"] == 0

    environment = user.create_environment(name="Test", slug="test", mode="test", org_id=org_id)
    env_id = environment["id"]
    assert user.get_environment(env_id)["mode"] == "test"
    assert user.update_environment(env_id, name="Staging")["name"] == "Staging"
    assert user.list_environments(org_id=org_id)["has_more"] is False
    assert [each["id"] for each in user.iter_environments(org_id=org_id)] == [env_id]
    assert user.delete_environment(env_id) is None
    assert user.delete_organization(org_id) is None


def test_who_the_client_is_and_how_the_server_is(
    client: Client, user: Client, tenant: Tenant
) -> None:
    assert client.whoami()["env_id"] == tenant.env_id
    assert user.whoami()["user_id"] == tenant.user_id
    assert client.get_health() == {"status": "ok"}
    assert client.get_readiness() == {"status": "ready"}


def test_any_other_operation_is_a_request(user: Client, tenant: Tenant) -> None:
    session = user.request("GET", "/auth/get-session", query={"disableRefresh": True})
    assert session["user"]["id"] == tenant.user_id
    body = {"name": "Raw", "org_id": tenant.org_id, "env_id": tenant.env_id}
    first, again = (
        user.request("POST", "/auth/api-keys", body=body, idempotency_key="raw-0123456789abcd")
        for _ in range(2)
    )
    assert first == again
    assert user.request("DELETE", f"/auth/api-keys/{first['id']}") is None


def test_an_error_has_its_class_code_details_and_request_id(
    client: Client, user: Client, tenant: Tenant
) -> None:
    fields: dict[str, Any] = {"name": "", "org_id": tenant.org_id, "env_id": tenant.env_id}
    with pytest.raises(BadRequest) as bad:
        client.create_api_key(**fields)
    error = bad.value
    assert (error.status, error.code) == (400, "bad_request")
    assert {detail.location for detail in error.details} == {"body/name"}
    assert isinstance(error.details[0], Detail)
    assert error.request_id is not None
    assert error.request_id.startswith("req_")
    assert f"(request_id {error.request_id})" in str(error)
    assert error.details[0].message in str(error)
    assert int(error.rate_limit["RateLimit-Remaining"]) < int(error.rate_limit["RateLimit-Limit"])

    with pytest.raises(NotFound) as missing:
        client.create_api_key(**fields | {"name": "n", "env_id": "env_none"})
    assert missing.value.code == "environment_not_found"
    narrow = client.create_api_key(**fields | {"name": "n", "scopes": "api-keys:read"})
    again = {"name": "Idempotent", "idempotency_key": secrets.token_hex(16)}
    client.create_api_key(**fields | again)
    with pytest.raises(IdempotencyKeyReused):
        client.create_api_key(**fields | again | {"name": "Another"})
    with pytest.raises(ApiError) as outside:
        user.update_member("org_none", "mem_none", role="member")
    assert type(outside.value) is NotFound
    assert narrow["scopes"] == "api-keys:read"


def test_a_narrow_and_an_invalid_credential(kind: str, client: Client, server: Server) -> None:
    tenant = server.database.tenant
    narrow = client.create_api_key(
        name="Narrow", org_id=tenant.org_id, env_id=tenant.env_id, scopes="api-keys:read"
    )
    with client_of(kind, server.url, narrow["key"]) as limited:
        with pytest.raises(InsufficientScope):
            limited.verify_api_key(key="x")
        client.revoke_api_key(narrow["id"])
        with pytest.raises(Unauthorized):
            limited.whoami()


def test_a_server_that_is_down_is_a_failed_connection(kind: str, free_port: int) -> None:
    with (
        client_of(kind, f"http://127.0.0.1:{free_port}/v1", None) as client,
        pytest.raises(ConnectionFailed, match="GET /health: ConnectError") as failed,
    ):
        client.get_health()
    assert not failed.value.may_have_happened


def test_a_base_url_that_is_not_the_apis_is_an_invalid_response(kind: str, server: Server) -> None:
    with client_of(kind, server.origin, None) as client, pytest.raises(NotFound):
        client.get_health()
    # Swagger UI: a page, and a redirect to it.
    with client_of(kind, f"{server.url}/ui", None) as client:
        with pytest.raises(InvalidResponse, match="not JSON"):
            client.request("GET", "/")
        with pytest.raises(InvalidResponse, match="unexpected status 308; is base_url the API's"):
            client.request("GET", "")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_invalid_response_and_never_followed(
    unsteady: Client, proxy: FaultyProxy, elsewhere: FaultyProxy, status: int
) -> None:
    url = elsewhere.url
    for request in (
        lambda: unsteady.verify_api_key(key="hs_live_of-an-end-user"),
        unsteady.whoami,
    ):
        proxy.fail_next(Status(status, location=f"{url}/auth/api-keys/verify"))
        with pytest.raises(InvalidResponse, match=f"unexpected status {status}") as redirected:
            request()
        assert redirected.value.status == status
        assert url not in str(redirected.value)
    assert elsewhere.seen == []


@pytest.mark.parametrize("location", ["https://[", "http://h:port/", "http:", "x:" + "y" * 70000])
def test_a_redirect_to_no_url_is_an_error_of_the_client(
    unsteady: Client, proxy: FaultyProxy, location: str
) -> None:
    # httpx reads the header field even when it does not follow it.
    proxy.fail_next(*[Status(307, location=location)] * 3)
    with pytest.raises((InvalidResponse, ConnectionFailed)):
        unsteady.whoami()


ODD_BODIES = [b"[" * 100_000, b"1" * 10_000, b"\xff", b"null", b"[]", b'{"api_key": ', b"{}"]


@pytest.mark.parametrize("body", ODD_BODIES, ids=lambda body: str(body[:12]))
@pytest.mark.parametrize("status", [200, 400, 503])
def test_an_odd_body_is_an_error_of_the_client(
    unsteady: Client, proxy: FaultyProxy, status: int, body: bytes
) -> None:
    proxy.fail_next(*[Status(status, body)] * 3)
    with pytest.raises(HookstreamError) as odd:
        unsteady.get_api_key("ak_1")
    assert odd.value.__context__ is None


def test_members_of_another_type_are_an_invalid_response(
    unsteady: Client, proxy: FaultyProxy
) -> None:
    proxy.fail_next(*[Status(201, b'{"id": "ak_1", "key": 7}')] * 3)
    with pytest.raises(InvalidResponse, match="'key' is no text"):
        unsteady.create_api_key(name="n", org_id="o", env_id="e")
    for items in (b"{}", b'{"api_keys": null}', b'{"api_keys": "ak"}'):
        proxy.fail_next(Status(200, items))
        with pytest.raises(InvalidResponse, match="'api_keys' is no list"):
            list(unsteady.iter_api_keys())
    for cursor in (b"7", b'["c"]', b'""'):
        proxy.fail_next(Status(200, b'{"api_keys": [], "cursor": %s}' % cursor))
        with pytest.raises(InvalidResponse, match="'cursor' is not that of a next page"):
            list(unsteady.iter_api_keys())


def test_a_list_whose_cursor_leads_nowhere_ends(unsteady: Client, proxy: FaultyProxy) -> None:
    proxy.fail_next(*[Status(200, b'{"api_keys": [], "cursor": "the same"}')] * 9)
    with pytest.raises(InvalidResponse, match="'cursor' is not that of a next page"):
        list(unsteady.iter_api_keys())
    assert len(proxy.seen) == 2


@pytest.mark.parametrize("count", ["many", "-1", "1.5", "9" * 5000])
def test_counts_that_are_no_numbers_are_an_invalid_response(count: str) -> None:
    response = Response(204, httpx.Headers({"X-Revoked-Keys": count}), b"")
    with pytest.raises(InvalidResponse, match="X-Revoked-Keys is no number"):
        Revocation.of(response)


def test_a_limit_of_the_api_is_an_error_with_retry_after(
    kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    database = Database(tmp_path_factory.mktemp("limited") / "hookstream.db")
    tenant = database.init()
    with (
        serving(database, HOOKSTREAM_RATE_LIMIT="2") as server,
        client_of(kind, server.url, tenant.key) as client,
    ):
        client.whoami()
        client.whoami()
        with pytest.raises(RateLimited) as limited:
            client.whoami()
    # Longer than the client waits.
    assert limited.value.retry_after is not None
    assert limited.value.retry_after > 10
    assert limited.value.rate_limit["RateLimit-Remaining"] == "0"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/v1",
        "127.0.0.1:8080/v1",
        "http:///v1",
        "http://ada:secret@host/v1",
        "http://host/v1?key=secret",
        "http://host/v1#secret",
        "http://host/v1?",
        "http://host/v1#",
        "http://@host/v1",
        "http://host/v1 ",
        "http://host/v1\n",
        " http://host/v1",
        "http://host/v1\N{NO-BREAK SPACE}",
        "http://ho st/v1",
        "http://host/\tv1",
        "http://host\\@secret/v1",
        "http://host:99999/v1",
        "http://host:65536/v1",
        "http://host:0/v1",
        "http://host:-1/v1",
        "http://host:secret/v1",
        "http://[::1/v1",
        "http://[secret]/v1",
        "http://xn--secret-\N{SNOWMAN}/v1",
        "https://",
        "",
    ],
)
def test_a_base_url_that_is_none_is_refused_without_repeating_it(url: str) -> None:
    for cls in (Client, AsyncClient):
        with pytest.raises(ValueError, match=r"such as http://127\.0\.0\.1:8080/v1") as refused:
            cls(url)
        assert "secret" not in str(refused.value)
        assert refused.value.__context__ is None


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080/v1",
        "HTTPS://keys.example.com:65535/a/v1",
        "http://[::1]:8080/v1",
        "https://b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.example/v1",
    ],
)
def test_a_base_url_loses_only_the_slashes_at_its_end(url: str) -> None:
    for cls in (Client, AsyncClient):
        assert cls(url).base_url == cls(f"{url}/").base_url == url


@pytest.mark.parametrize("key", ["", "a b", "a\r\nX-Evil: 1", "schlüssel", "a\x00"])
def test_a_key_that_cannot_be_sent_is_refused_without_repeating_it(key: str) -> None:
    with pytest.raises(ValueError, match="visible ASCII characters only") as refused:
        Client("http://127.0.0.1/v1", key)
    assert not key or key not in str(refused.value)


def test_the_clients_own_connections_and_timeout(server: Server, tenant: Tenant) -> None:
    with Client(server.url + "/", tenant.key, timeout=3) as client:
        assert client.whoami()["org_id"] == tenant.org_id
    with pytest.raises(RuntimeError, match="closed"):
        client.whoami()
    http = httpx.Client(trust_env=False)
    with Client(server.url, tenant.key, http=http) as lent:
        lent.whoami()
    # It is the caller's.
    assert not http.is_closed
    http.close()
