"""POST /auth/api-keys/verify and verify-batch, GET /auth/authorize and /auth/whoami."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from support import Database, Server, Tenant, assert_error, serving

Create = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def verify(server: Server, tenant: Tenant) -> Callable[..., httpx.Response]:
    """Verify a key, with the tenant's key unless other headers are given."""

    def send(key: str, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        return server.request(
            "POST",
            "/auth/api-keys/verify",
            json={"key": key, **more},
            headers={"X-API-Key": tenant.key} if headers is None else headers,
        )

    return send


Verify = Callable[..., httpx.Response]


def change(server: Server, owner: dict[str, str], key_id: str, **changes: Any) -> None:
    answer = server.request("PATCH", f"/auth/api-keys/{key_id}", json=changes, headers=owner)
    assert answer.status_code == 200, answer.text


def test_200_a_valid_key_is_shown_without_its_secret(create: Create, verify: Verify) -> None:
    created = create(scopes="events:read", metadata={"plan": "pro"}).json()
    answer = verify(created["key"], scopes="events:read")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["valid"], body["code"]) == (True, "VALID")
    assert body["api_key"]["id"] == created["id"]
    assert body["api_key"]["metadata"] == {"plan": "pro"}
    assert created["key"] not in answer.text


@pytest.mark.parametrize("text", ["", "nonsense", "hs_" + "live_" + "0" * 64, "ø\n", "x" * 512])
def test_200_malformed_text_is_reported_as_malformed(verify: Verify, text: str) -> None:
    answer = verify(text)
    assert answer.status_code == 200
    assert answer.json() == {"valid": False, "code": "MALFORMED"}


def test_200_each_rule_has_its_code_in_a_fixed_order(
    create: Create, server: Server, owner: dict[str, str], verify: Verify
) -> None:
    created = create(scopes="events:read").json()
    wanted = {"scopes": "events:write", "ip": "10.1.2.3"}

    def code(**more: Any) -> tuple[str, str | None]:
        body = verify(created["key"], explain=True, **{**wanted, **more}).json()
        assert body["valid"] == (body["code"] == "VALID")
        return body["code"], body["failed_rule"]

    assert code(scopes="events:read") == ("VALID", None)
    assert code() == ("INSUFFICIENT_SCOPE", "scopes")
    change(server, owner, created["id"], allowed_ips=["192.0.2.0/24", "2001:db8::/32"])
    assert code() == ("IP_NOT_ALLOWED", "address")
    assert code(ip="192.0.2.9", scopes="events:read") == ("VALID", None)
    assert code(ip="2001:db8::9", scopes="events:read") == ("VALID", None)
    change(server, owner, created["id"], expires_at="2001-01-01T00:00:00Z")
    assert code() == ("EXPIRED", "expired")
    change(server, owner, created["id"], enabled=False)
    assert code() == ("DISABLED", "enabled")
    server.request("DELETE", f"/auth/api-keys/{created['id']}", headers=owner)
    assert code() == ("REVOKED", "revoked")


def test_200_an_ipv4_mapped_address_is_ipv4(
    create: Create, server: Server, tenant: Tenant, owner: dict[str, str], verify: Verify
) -> None:
    mapped = ("::ffff:10.1.2.3", "::ffff:a01:203", "::FFFF:10.1.2.3")
    networks = (["10.0.0.0/8"], ["::ffff:10.0.0.0/104"], ["::ffff:a00:0/104"])
    for allowed in networks:
        created = create(allowed_ips=allowed).json()
        path = f"/auth/api-keys/{created['id']}"
        for ip in ("10.1.2.3", *mapped):
            assert verify(created["key"], ip=ip).json()["code"] == "VALID", (allowed, ip)
        requests = [{"key": created["key"], "ip": ip} for ip in ("10.1.2.3", *mapped)]
        answer = server.request(
            "POST",
            "/auth/api-keys/verify-batch",
            json={"requests": requests},
            headers={"X-API-Key": tenant.key},
        )
        assert [each["code"] for each in answer.json()["results"]] == ["VALID"] * 4
        assert verify(created["key"], ip="::ffff:192.0.2.7").json()["code"] == "IP_NOT_ALLOWED"
        shown = server.request("GET", path, headers=owner).json()["api_key"]
        assert shown["allowed_ips"] == ["10.0.0.0/8"]


def test_200_a_key_with_allowed_ips_is_invalid_without_an_address(
    create: Create, verify: Verify
) -> None:
    created = create(allowed_ips=["0.0.0.0/0", "::/0"]).json()
    assert verify(created["key"]).json()["code"] == "IP_NOT_ALLOWED"
    assert verify(created["key"], ip="203.0.113.9").json()["code"] == "VALID"


@pytest.mark.parametrize(
    ("granted", "wanted", "valid"),
    [
        ("*", "a:b c:d", True),
        ("a:*", "a:b", True),
        ("a:*", "a:*", True),
        ("a:*", "ab:c", False),
        ("a:b", "a:*", False),
        ("a:b c:d", "c:d,a:b", True),
        ("a:b", "a:b c:d", False),
        ("a:*", "*", False),
    ],
)
def test_200_wildcards_cover_what_they_say(
    create: Create, verify: Verify, granted: str, wanted: str, *, valid: bool
) -> None:
    created = create(scopes=granted).json()
    assert verify(created["key"], scopes=wanted).json()["valid"] == valid


def test_200_not_found_is_the_same_for_nonexistent_and_inaccessible_keys(
    create: Create, server: Server, tenant: Tenant, owner: dict[str, str], verify: Verify
) -> None:
    user = server.database.add_user()
    org = server.database.add_organization()
    env = server.database.add_environment(org)
    server.database.add_member(org, user)
    theirs = {"Authorization": f"Bearer {server.database.add_session(user)}"}
    foreign = create(headers=theirs, org_id=org, env_id=env).json()["key"]
    sibling_env = server.database.add_environment(tenant.org_id)
    sibling = create(headers=owner, env_id=sibling_env).json()["key"]
    mine = create().json()["key"]
    not_found = {"valid": False, "code": "NOT_FOUND"}
    assert verify(foreign, explain=True).json() == not_found
    assert verify(foreign, headers=owner, explain=True).json() == not_found
    assert verify(sibling).json() == not_found
    assert verify(sibling, headers=owner).json()["code"] == "VALID"
    assert verify(mine, env_id=sibling_env).json() == not_found
    assert verify(mine, env_id=tenant.env_id).json()["code"] == "VALID"
    assert verify(mine, headers=theirs).json() == not_found
    assert verify(foreign, headers=theirs).json()["code"] == "VALID"


def test_403_without_the_scope(create: Create, verify: Verify) -> None:
    narrow = create(scopes="api-keys:read").json()["key"]
    assert_error(verify("x", headers={"X-API-Key": narrow}), 403, "insufficient_scope")
    allowed = create(scopes="api-keys:verify").json()["key"]
    assert verify("x", headers={"X-API-Key": allowed}).status_code == 200


def test_401_without_a_credential(server: Server, verify: Verify) -> None:
    assert_error(verify("x", headers={}), 401, "unauthorized")
    for path in ("/auth/authorize", "/auth/whoami"):
        assert_error(server.request("GET", path), 401, "unauthorized")


@pytest.mark.parametrize(
    ("more", "location"),
    [
        ({"ip": "10.0.0.0/8"}, "body/ip"),
        ({"ip": "here"}, "body/ip"),
        ({"scopes": "?"}, "body/scopes"),
        ({"env_id": ""}, "body/env_id"),
        ({"explain": 1}, "body/explain"),
    ],
)
def test_400_to_an_invalid_request(verify: Verify, more: dict[str, Any], location: str) -> None:
    assert_error(verify("x", **more), 400, "bad_request", location)
    assert_error(verify("x" * 513), 400, "bad_request", "body/key")


def test_200_a_batch_is_answered_in_its_order(
    create: Create, server: Server, tenant: Tenant
) -> None:
    keys = [create().json() for _ in range(3)]
    requests: list[dict[str, Any]] = [{"key": key["key"]} for key in keys]
    requests.insert(1, {"key": "nonsense"})
    requests.insert(3, {"key": keys[0]["key"], "ip": "::1", "scopes": "a:b"})
    answer = server.request(
        "POST",
        "/auth/api-keys/verify-batch",
        json={"requests": requests},
        headers={"X-API-Key": tenant.key},
    )
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [result["code"] for result in results] == [
        "VALID", "MALFORMED", "VALID", "VALID", "VALID",
    ]  # fmt: skip
    assert results[0]["api_key"]["id"] == results[3]["api_key"]["id"] == keys[0]["id"]


@pytest.mark.parametrize("count", [0, 101])
def test_400_to_a_batch_of_none_or_too_many(server: Server, tenant: Tenant, count: int) -> None:
    answer = server.request(
        "POST",
        "/auth/api-keys/verify-batch",
        json={"requests": [{"key": "x"}] * count},
        headers={"X-API-Key": tenant.key},
    )
    assert_error(answer, 400, "bad_request", "body/requests")


def test_200_a_revocation_holds_at_once_on_every_worker(database: Database) -> None:
    tenant = database.init()
    mine = {"X-API-Key": tenant.key}
    with serving(database, workers=3) as server:
        for _ in range(10):
            created = server.request(
                "POST",
                "/auth/api-keys",
                json={"name": "n", "org_id": tenant.org_id, "env_id": tenant.env_id},
                headers=mine,
            ).json()
            body = {"key": created["key"]}
            path = "/auth/api-keys/verify"
            # Every worker has seen it valid.
            for _ in range(6):
                answer = server.request("POST", path, json=body, headers=mine)
                assert answer.json()["code"] == "VALID"
            server.request("DELETE", f"/auth/api-keys/{created['id']}", headers=mine)
            for _ in range(6):
                answer = server.request("POST", path, json=body, headers=mine)
                assert answer.json()["code"] == "REVOKED"


# Forward authentication


def test_204_authorize_identifies_the_key(create: Create, server: Server, tenant: Tenant) -> None:
    created = create(scopes="events:*").json()
    for headers in (
        {"X-API-Key": created["key"]},
        {"Authorization": f"Bearer {created['key']}"},
    ):
        answer = server.request("GET", "/auth/authorize?scope=events:read", headers=headers)
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["x-key-id"] == created["id"]
        assert answer.headers["x-org-id"] == tenant.org_id
        assert answer.headers["x-env-id"] == tenant.env_id
        assert answer.headers["x-scopes"] == "events:*"


def test_403_authorize_without_the_scope(create: Create, server: Server) -> None:
    key = {"X-API-Key": create(scopes="events:read").json()["key"]}
    answer = server.request("GET", "/auth/authorize?scope=events:write", headers=key)
    assert_error(answer, 403, "insufficient_scope")
    assert server.request("GET", "/auth/authorize", headers=key).status_code == 204


def test_403_authorize_is_for_keys(server: Server, owner: dict[str, str]) -> None:
    assert_error(server.request("GET", "/auth/authorize", headers=owner), 403, "forbidden")


def test_401_authorize_a_revoked_key(create: Create, server: Server) -> None:
    created = create().json()
    key = {"X-API-Key": created["key"]}
    assert server.request("GET", "/auth/authorize", headers=key).status_code == 204
    server.request("POST", "/auth/api-keys/revoke", json={"key": created["key"]})
    assert_error(server.request("GET", "/auth/authorize", headers=key), 401, "unauthorized")


@pytest.mark.parametrize(
    ("rules", "word"),
    [
        ({"enabled": False}, "disabled"),
        ({"allowed_ips": ["192.0.2.0/24"]}, "not allowed from this IP address"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "expired"),
    ],
)
def test_401_authorize_says_what_may_be_wrong_with_the_key(
    create: Create, server: Server, owner: dict[str, str], rules: dict[str, Any], word: str
) -> None:
    created = create().json()
    path = f"/auth/api-keys/{created['id']}"
    assert server.request("PATCH", path, json=rules, headers=owner).is_success
    answer = server.request("GET", "/auth/authorize", headers={"X-API-Key": created["key"]})
    told = assert_error(answer, 401, "unauthorized")["error"]
    assert word in told
    # It does not tell which, as for a key that does not exist.
    unknown = {"X-API-Key": "hs_live_" + "0" * 64}
    assert server.request("GET", "/auth/authorize", headers=unknown).json()["error"] == told


def test_400_authorize_an_invalid_scope(server: Server, tenant: Tenant) -> None:
    answer = server.request(
        "GET", "/auth/authorize?scope=everything", headers={"X-API-Key": tenant.key}
    )
    assert_error(answer, 400, "bad_request", "query/scope")


# Expiring keys


def test_200_the_answer_for_an_expiring_key_has_its_expiry(create: Create, server: Server) -> None:
    ending = create(expires_at="2999-01-01T00:00:00Z").json()["key"]
    endless = create().json()["key"]
    for path, key, expected in (
        ("/auth/authorize", ending, "2999-01-01T00:00:00.000Z"),
        ("/auth/whoami", ending, "2999-01-01T00:00:00.000Z"),
        ("/auth/whoami", endless, None),
        ("/health", ending, None),
    ):
        answer = server.request("GET", path, headers={"X-API-Key": key})
        assert answer.headers.get("x-key-expires-at") == expected, path


# Who am I


def test_200_whoami_a_key(create: Create, server: Server, tenant: Tenant) -> None:
    created = create(scopes="events:read", expires_at="2999-01-01T00:00:00Z").json()
    answer = server.request("GET", "/auth/whoami", headers={"X-API-Key": created["key"]})
    assert answer.json() == {
        "type": "api_key",
        "key_id": created["id"],
        "org_id": tenant.org_id,
        "env_id": tenant.env_id,
        "scopes": "events:read",
        # It was made by the key of `init`, which has none.
        "role": None,
        "expires_at": "2999-01-01T00:00:00.000Z",
    }


def test_200_whoami_a_session(server: Server, tenant: Tenant, owner: dict[str, str]) -> None:
    body = server.request("GET", "/auth/whoami", headers=owner).json()
    assert (body["type"], body["user_id"]) == ("session", tenant.user_id)
