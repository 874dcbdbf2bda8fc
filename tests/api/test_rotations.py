"""POST /auth/api-keys/{id}/rotations, DELETE /auth/api-keys/{id}/rotations/{rotation_id}."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from support import SOON, Server, Tenant, assert_error, iso

# Two workers: what one activates, the other must know.
pytestmark = pytest.mark.server(workers=2)

Create = Callable[..., httpx.Response]
Verify = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def verify(server: Server, tenant: Tenant) -> Verify:
    def send(key: str) -> dict[str, Any]:
        answer = server.request(
            "POST",
            "/auth/api-keys/verify",
            json={"key": key, "explain": True},
            headers={"X-API-Key": tenant.key},
        )
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        return found

    return send


def rotate(
    server: Server, headers: dict[str, str], key_id: str, grace: int = 3600, **more: Any
) -> httpx.Response:
    body = {"grace_period_seconds": grace, **more}
    return server.request("POST", f"/auth/api-keys/{key_id}/rotations", json=body, headers=headers)


def cancel(
    server: Server, headers: dict[str, str], key_id: str, rotation_id: str
) -> httpx.Response:
    path = f"/auth/api-keys/{key_id}/rotations/{rotation_id}"
    return server.request("DELETE", path, headers=headers)


def shown(server: Server, headers: dict[str, str], key_id: str) -> dict[str, Any]:
    answer = server.request("GET", f"/auth/api-keys/{key_id}", headers=headers)
    found: dict[str, Any] = answer.json()["api_key"]
    return found


# The life of a rotation


def test_201_the_new_secret_is_pending_until_it_is_used(
    create: Create, server: Server, owner: dict[str, str], verify: Verify
) -> None:
    created = create().json()
    answer = rotate(server, owner, created["id"])
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    made = answer.json()
    new = made["key"]
    assert new != created["key"]
    assert new.startswith(made["rotation"]["key_prefix"])
    assert (made["rotation"]["state"], made["rotation"]["activated_at"]) == ("pending", None)
    before = shown(server, owner, created["id"])
    assert before["rotations"] == [made["rotation"]]
    assert before["key_prefix"] == created["key_prefix"]
    # The old one is the key's own until the new one is used.
    for _ in range(4):
        assert verify(created["key"])["code"] == "VALID"
    assert server.database.actions("resource_id", created["id"]) == [
        "api_key.created",
        "api_key.rotated",
    ]

    first = verify(new)
    assert (first["code"], first["api_key"]["id"]) == ("VALID", created["id"])
    after = shown(server, owner, created["id"])
    assert after["id"] == created["id"]
    assert after["key_prefix"] == made["rotation"]["key_prefix"]
    (grace,) = after["rotations"]
    assert (grace["id"], grace["state"]) == (made["rotation"]["id"], "grace")
    assert grace["key_prefix"] == created["key_prefix"]
    began, ends = (datetime.fromisoformat(grace[name]) for name in ("activated_at", "expires_at"))
    assert ends - began == timedelta(hours=1)
    # Both are valid, on every worker, and the old one says how long.
    for _ in range(4):
        assert verify(new)["code"] == "VALID"
        old = verify(created["key"])
        assert (old["code"], old["api_key"]["expires_at"]) == ("VALID", grace["expires_at"])
    assert server.database.actions("resource_id", created["id"])[2:] == [
        "api_key.rotation_activated"
    ]


def test_any_first_use_activates_the_new_secret(
    create: Create, server: Server, owner: dict[str, str]
) -> None:
    for path in ("/auth/whoami", "/auth/authorize", "/auth/api-keys"):
        created = create().json()
        new = rotate(server, owner, created["id"]).json()["key"]
        answer = server.request("GET", path, headers={"X-API-Key": new})
        assert answer.is_success
        assert shown(server, owner, created["id"])["rotations"][0]["state"] == "grace"
        old = server.request("GET", path, headers={"X-API-Key": created["key"]})
        assert old.is_success
        # Its holder is told in time.
        ends = shown(server, owner, created["id"])["rotations"][0]["expires_at"]
        assert old.headers["x-key-expires-at"] == ends
        assert "x-key-expires-at" not in answer.headers


def test_a_refused_use_does_not_activate_it(
    create: Create, server: Server, tenant: Tenant, owner: dict[str, str], verify: Verify
) -> None:
    created = create(scopes="events:read", allowed_ips=["127.0.0.1"]).json()
    new = rotate(server, owner, created["id"]).json()["key"]
    for body in (
        {"key": new},
        {"key": new, "ip": "203.0.113.7"},
        {"key": new, "ip": "127.0.0.1", "scopes": "events:write"},
    ):
        answer = server.request(
            "POST", "/auth/api-keys/verify", json=body, headers={"X-API-Key": tenant.key}
        )
        assert answer.json()["valid"] is False
    refused = server.request(
        "GET", "/auth/authorize?scope=events:write", headers={"X-API-Key": new}
    )
    assert_error(refused, 403, "insufficient_scope")
    for method, path in (("GET", "/auth/api-keys"), ("DELETE", f"/auth/api-keys/{created['id']}")):
        refused = server.request(method, path, headers={"X-API-Key": new})
        assert_error(refused, 403, "insufficient_scope")
    assert shown(server, owner, created["id"])["rotations"][0]["state"] == "pending"


def test_without_a_grace_period_the_first_use_of_the_new_secret_expires_the_old_one(
    create: Create, server: Server, owner: dict[str, str], verify: Verify
) -> None:
    created = create().json()
    new = rotate(server, owner, created["id"], grace=0).json()["key"]
    assert verify(created["key"])["code"] == "VALID"
    assert verify(new)["code"] == "VALID"
    for _ in range(4):
        old = verify(created["key"])
        assert (old["code"], old["failed_rule"]) == ("EXPIRED", "expired")
    answer = server.request("GET", "/auth/whoami", headers={"X-API-Key": created["key"]})
    assert_error(answer, 401, "unauthorized")
    assert shown(server, owner, created["id"])["rotations"] == []


def test_the_grace_period_ends(
    create: Create, server: Server, owner: dict[str, str], verify: Verify
) -> None:
    created = create().json()
    new = rotate(server, owner, created["id"], grace=SOON).json()["key"]
    assert [verify(key)["code"] for key in (new, created["key"])] == ["VALID", "VALID"]
    time.sleep(SOON + 0.05)
    assert [verify(key)["code"] for key in (new, created["key"])] == ["VALID", "EXPIRED"]


def test_the_grace_period_never_extends_the_old_secret(
    create: Create, server: Server, owner: dict[str, str], verify: Verify
) -> None:
    soon = iso(datetime.now(UTC) + timedelta(seconds=SOON))
    created = create(expires_at=soon).json()
    later = "2999-01-01T00:00:00.000Z"
    new = rotate(server, owner, created["id"], grace=86_400, expires_at=later).json()["key"]
    assert verify(new)["api_key"]["expires_at"] == later
    assert verify(created["key"])["api_key"]["expires_at"] == soon
    assert shown(server, owner, created["id"])["expires_at"] == later
    time.sleep(SOON + 0.05)
    assert verify(created["key"])["code"] == "EXPIRED"
    assert verify(new)["code"] == "VALID"


def test_the_grace_period_shown_is_the_real_one(
    create: Create, server: Server, owner: dict[str, str], verify: Verify
) -> None:
    created = create().json()
    path = f"/auth/api-keys/{created['id']}"
    new = rotate(server, owner, created["id"], grace=86_400).json()["key"]
    assert verify(new)["code"] == "VALID"
    # The key's own end, set since, is earlier than the grace's.
    soon = iso(datetime.now(UTC) + timedelta(hours=1))
    server.request("PATCH", path, json={"expires_at": soon}, headers=owner)
    assert shown(server, owner, created["id"])["rotations"][0]["expires_at"] == soon
    assert verify(created["key"])["api_key"]["expires_at"] == soon
    past = iso(datetime.now(UTC) - timedelta(hours=1))
    server.request("PATCH", path, json={"expires_at": past}, headers=owner)
    assert verify(created["key"])["code"] == "EXPIRED"
    assert shown(server, owner, created["id"])["rotations"] == []
    server.request("PATCH", path, json={"expires_at": None}, headers=owner)
    assert verify(created["key"])["code"] == "VALID"
    assert len(shown(server, owner, created["id"])["rotations"]) == 1
    server.request("DELETE", path, headers=owner)
    assert verify(created["key"])["code"] == "REVOKED"
    assert shown(server, owner, created["id"])["rotations"] == []


def test_a_pending_secret_may_outlive_the_old_one(
    create: Create, server: Server, owner: dict[str, str], verify: Verify
) -> None:
    soon = iso(datetime.now(UTC) + timedelta(seconds=SOON))
    created = create(expires_at=soon).json()
    later = "2999-01-01T00:00:00.000Z"
    with_its_own = rotate(server, owner, created["id"], expires_at=later).json()["key"]
    other = create(expires_at=soon).json()
    without = rotate(server, owner, other["id"]).json()
    assert without["rotation"]["expires_at"] == shown(server, owner, other["id"])["expires_at"]
    time.sleep(SOON + 0.05)
    assert verify(with_its_own)["code"] == "VALID"
    assert verify(without["key"])["code"] == "EXPIRED"


def test_the_last_expiry_that_was_set_applies(
    create: Create, server: Server, owner: dict[str, str], verify: Verify
) -> None:
    created = create().json()
    path = f"/auth/api-keys/{created['id']}"
    new = rotate(server, owner, created["id"], expires_at="2999-01-01T00:00:00Z").json()["key"]
    past = {"expires_at": "2001-01-01T00:00:00Z"}
    assert server.request("PATCH", path, json=past, headers=owner).status_code == 200
    assert [verify(key)["code"] for key in (new, created["key"])] == ["EXPIRED", "EXPIRED"]
    server.request("PATCH", path, json={"expires_at": None}, headers=owner)
    assert [verify(key)["code"] for key in (new, created["key"])] == ["VALID", "VALID"]
    # It ends every secret, also one in its grace.
    server.request("PATCH", path, json=past, headers=owner)
    assert [verify(key)["code"] for key in (new, created["key"])] == ["EXPIRED", "EXPIRED"]


def test_another_rotation_cancels_the_pending_one(
    create: Create, server: Server, owner: dict[str, str], verify: Verify
) -> None:
    created = create().json()
    first = rotate(server, owner, created["id"]).json()
    second = rotate(server, owner, created["id"]).json()
    assert [each["id"] for each in shown(server, owner, created["id"])["rotations"]] == [
        second["rotation"]["id"]
    ]
    dead = verify(first["key"])
    assert (dead["code"], dead["failed_rule"]) == ("REVOKED", "revoked")
    assert [verify(key)["code"] for key in (second["key"], created["key"])] == ["VALID"] * 2


def test_each_old_secret_has_its_own_grace_period(
    create: Create, server: Server, owner: dict[str, str], verify: Verify
) -> None:
    created = create().json()
    secrets = [created["key"]]
    for grace in (3600, 7200):
        secrets.append(rotate(server, owner, created["id"], grace=grace).json()["key"])
        assert verify(secrets[-1])["code"] == "VALID"
    assert [verify(key)["code"] for key in secrets] == ["VALID"] * 3
    under_way = shown(server, owner, created["id"])["rotations"]
    assert [each["grace_period_seconds"] for each in under_way] == [7200, 3600]
    assert [each["key_prefix"] for each in under_way] == [
        secrets[1][:12],
        secrets[0][:12],
    ]


def test_of_concurrent_first_uses_one_activates_it_and_all_are_valid(
    create: Create, server: Server, owner: dict[str, str], verify: Verify
) -> None:
    for _ in range(5):
        created = create().json()
        new = rotate(server, owner, created["id"], grace=0).json()["key"]
        with ThreadPoolExecutor(6) as pool:
            codes = list(pool.map(lambda key: verify(key)["code"], [new] * 6))
        assert codes == ["VALID"] * 6
        assert (
            server.database.actions("resource_id", created["id"]).count(
                "api_key.rotation_activated"
            )
            == 1
        )
        assert verify(created["key"])["code"] == "EXPIRED"


def test_the_rules_are_the_keys_whatever_its_secret(
    create: Create, server: Server, owner: dict[str, str], verify: Verify
) -> None:
    created = create().json()
    path = f"/auth/api-keys/{created['id']}"
    secrets = [created["key"], rotate(server, owner, created["id"]).json()["key"]]
    verify(secrets[1])
    secrets.append(rotate(server, owner, created["id"]).json()["key"])
    server.request("PATCH", path, json={"enabled": False}, headers=owner)
    assert [verify(key)["code"] for key in secrets] == ["DISABLED"] * 3
    server.request("PATCH", path, json={"enabled": True, "scopes": "a:b"}, headers=owner)
    assert [verify(key)["api_key"]["scopes"] for key in secrets] == ["a:b"] * 3
    server.request("DELETE", path, headers=owner)
    assert [verify(key)["code"] for key in secrets] == ["REVOKED"] * 3


def test_an_environment_s_mode_is_the_new_secret_s(
    create: Create, server: Server, tenant: Tenant, owner: dict[str, str]
) -> None:
    env = server.database.add_environment(tenant.org_id, mode="test")
    created = create(headers=owner, env_id=env).json()
    assert rotate(server, owner, created["id"]).json()["key"].startswith("hs_test_")


# Cancelling


def test_204_cancelled_before_it_was_used(
    create: Create, server: Server, owner: dict[str, str], verify: Verify
) -> None:
    created = create().json()
    made = rotate(server, owner, created["id"]).json()
    assert cancel(server, owner, created["id"], made["rotation"]["id"]).status_code == 204
    assert shown(server, owner, created["id"])["rotations"] == []
    for _ in range(4):
        assert verify(made["key"])["code"] == "REVOKED"
        assert verify(created["key"])["code"] == "VALID"
    assert server.database.actions("resource_id", created["id"])[-1] == "api_key.rotation_cancelled"
    again = cancel(server, owner, created["id"], made["rotation"]["id"])
    assert_error(again, 409, "conflict")


def test_409_cancelled_after_it_was_used(
    create: Create, server: Server, owner: dict[str, str], verify: Verify
) -> None:
    created = create().json()
    made = rotate(server, owner, created["id"]).json()
    verify(made["key"])
    answer = cancel(server, owner, created["id"], made["rotation"]["id"])
    assert_error(answer, 409, "conflict")
    assert verify(made["key"])["code"] == "VALID"


def test_404_of_another_key_s_rotation(
    create: Create, server: Server, owner: dict[str, str]
) -> None:
    created, other = create().json(), create().json()
    made = rotate(server, owner, other["id"]).json()
    for wanted in (made["rotation"]["id"], "rot_0"):
        answer = cancel(server, owner, created["id"], wanted)
        assert_error(answer, 404, "rotation_not_found")


# Who may not


@pytest.mark.parametrize(
    ("sent", "location"),
    [
        ({}, "body"),
        ({"grace_period_seconds": -1}, "body/grace_period_seconds"),
        ({"grace_period_seconds": 86_401}, "body/grace_period_seconds"),
        ({"grace_period_seconds": 1.5}, "body/grace_period_seconds"),
        ({"grace_period_seconds": "1"}, "body/grace_period_seconds"),
        ({"grace_period_seconds": 0, "expires_at": "tomorrow"}, "body/expires_at"),
        ({"grace_period_seconds": 0, "key": "mine"}, "body"),
    ],
)
def test_400_to_invalid_requests(
    create: Create, server: Server, owner: dict[str, str], sent: dict[str, Any], location: str
) -> None:
    path = f"/auth/api-keys/{create().json()['id']}/rotations"
    answer = server.request("POST", path, json=sent, headers=owner)
    assert_error(answer, 400, "bad_request", location)


def test_401_without_a_credential(create: Create, server: Server) -> None:
    created = create().json()
    assert_error(rotate(server, {}, created["id"]), 401, "unauthorized")
    assert_error(cancel(server, {}, created["id"], "rot_0"), 401, "unauthorized")


def test_403_to_a_member_who_did_not_create_it(
    create: Create, server: Server, tenant: Tenant, owner: dict[str, str]
) -> None:
    user = server.database.add_user()
    server.database.add_member(tenant.org_id, user)
    member = {"Authorization": f"Bearer {server.database.add_session(user)}"}
    theirs = create(headers=owner).json()
    assert_error(rotate(server, member, theirs["id"]), 403, "forbidden")
    assert_error(cancel(server, member, theirs["id"], "rot_0"), 403, "forbidden")
    mine = create(headers=member).json()
    made = rotate(server, member, mine["id"]).json()
    assert cancel(server, member, mine["id"], made["rotation"]["id"]).status_code == 204


def test_403_no_key_gets_the_secret_of_a_key_with_more_rights(
    create: Create, server: Server, owner: dict[str, str]
) -> None:
    wide = create(headers=owner, scopes="*").json()
    narrow = create(headers=owner, scopes="api-keys:rotate events:read").json()
    key = {"X-API-Key": narrow["key"]}
    answer = rotate(server, key, wide["id"])
    assert_error(answer, 403, "insufficient_scope", "path/id")
    assert shown(server, owner, wide["id"])["rotations"] == []
    # Itself it may, but not for longer.
    ending = create(
        headers=owner, scopes="api-keys:rotate", expires_at="2998-01-01T00:00:00Z"
    ).json()
    key = {"X-API-Key": ending["key"]}
    longer = rotate(server, key, ending["id"], expires_at="2999-01-01T00:00:00Z")
    assert_error(longer, 403, "insufficient_scope", "body/expires_at")
    never = rotate(server, key, ending["id"], expires_at=None)
    assert_error(never, 403, "insufficient_scope", "body/expires_at")
    assert rotate(server, key, ending["id"]).status_code == 201
    without = create(headers=owner, scopes="api-keys:update").json()
    answer = rotate(server, {"X-API-Key": without["key"]}, without["id"])
    assert_error(answer, 403, "insufficient_scope")


def test_403_an_old_secret_cannot_extend_its_grace_period(
    create: Create, server: Server, owner: dict[str, str], verify: Verify
) -> None:
    created = create(headers=owner, scopes="api-keys:*").json()
    new = rotate(server, owner, created["id"]).json()["key"]
    verify(new)
    old = {"X-API-Key": created["key"]}
    answer = rotate(server, old, created["id"])
    assert_error(answer, 403, "insufficient_scope", "path/id")


def test_409_to_a_revoked_or_expired_key(
    create: Create, server: Server, owner: dict[str, str]
) -> None:
    revoked = create().json()["id"]
    server.request("DELETE", f"/auth/api-keys/{revoked}", headers=owner)
    assert_error(rotate(server, owner, revoked), 409, "conflict")
    expired = create(expires_at="2001-01-01T00:00:00Z").json()["id"]
    assert_error(rotate(server, owner, expired), 409, "conflict")
    later = rotate(server, owner, expired, expires_at="2999-01-01T00:00:00Z")
    assert_error(later, 409, "conflict")


# Ending by possession


def test_any_valid_secret_can_revoke_its_key(
    create: Create, server: Server, owner: dict[str, str], verify: Verify
) -> None:
    def end(secret: str) -> None:
        answer = server.request("POST", "/auth/api-keys/revoke", json={"key": secret})
        assert answer.status_code == 204

    created = create().json()
    cancelled = rotate(server, owner, created["id"]).json()["key"]
    new = rotate(server, owner, created["id"], grace=0).json()["key"]
    verify(new)
    # A secret that is no longer valid can do no harm.
    for dead in (cancelled, created["key"]):
        end(dead)
        assert verify(new)["code"] == "VALID"
    pending = rotate(server, owner, created["id"]).json()["key"]
    end(pending)
    assert [verify(key)["code"] for key in (new, pending)] == ["REVOKED"] * 2


def test_no_secret_is_stored(create: Create, server: Server, owner: dict[str, str]) -> None:
    created = create().json()
    new = rotate(server, owner, created["id"]).json()["key"]
    for text in (server.database.dump(), server.log.read_text(encoding="utf-8")):
        assert new not in text
        assert created["key"] not in text
