"""Who tried and was refused: events in the audit log, few however many attempts there are."""

import json
from collections import Counter
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest
from support import Database, Server, Tenant, assert_error, serving, until


def behind_a_proxy(database: Database, workers: int = 1) -> AbstractContextManager[Server]:
    return serving(
        database,
        workers=workers,
        HOOKSTREAM_TRUSTED_PROXIES="127.0.0.1",
        HOOKSTREAM_RATE_LIMIT="off",
    )


def sign_in(server: Server, email: str, password: str, address: str) -> httpx.Response:
    body = {"email": email, "password": password}
    headers = {"X-Forwarded-For": address}
    return server.request("POST", "/auth/sign-in/email", json=body, headers=headers)


def recorded(database: Database, action: str) -> list[dict[str, Any]]:
    """The events of an action, oldest first."""
    rows = database.execute(
        "select org_id, env_id, user_id, api_key_id, resource_id, ip_address, request_id, details"
        " from audit_log where action = ? order by seq",
        (action,),
    )
    names = ("org_id", "env_id", "user_id", "api_key_id", "resource_id", "ip", "request_id")
    return [{**dict(zip(names, row, strict=False)), **json.loads(row[-1])} for row in rows]


def test_failed_sign_ins_are_recorded(database: Database) -> None:
    tenant = database.init()
    database.execute('alter table "user" add column banned integer')
    with behind_a_proxy(database) as server:
        first = sign_in(server, tenant.email, "wrong", "203.0.113.7")
        assert_error(first, 401, "INVALID_EMAIL_OR_PASSWORD")
        until(lambda: len(recorded(database, "session.refused")) == 1)
        (event,) = recorded(database, "session.refused")
        assert event.pop("first_at") == event.pop("last_at")
        assert event == {
            "org_id": tenant.org_id,
            "env_id": None,
            # The caller was not authenticated.
            "user_id": None,
            "api_key_id": None,
            "resource_id": tenant.user_id,
            "ip": "203.0.113.7",
            "request_id": first.json()["request_id"],
            "reason": "INVALID_PASSWORD",
            "count": 1,
        }
        for _ in range(3):
            sign_in(server, tenant.email, "wrong", "203.0.113.7")
        sign_in(server, tenant.email, "wrong", "203.0.113.8")
        database.execute('update "user" set banned = 1')
        for _ in range(2):
            assert sign_in(server, tenant.email, tenant.password, "203.0.113.7").status_code == 403
        # There is no such user, so no organization that it concerns.
        sign_in(server, "unknown@example.com", "wrong", "203.0.113.7")
    # The rest is written when the server stops, or in parts where the machine is slow.
    found: Counter[tuple[str, str]] = Counter()
    for each in recorded(database, "session.refused"):
        found[each["reason"], each["ip"]] += each["count"]
    assert found == {
        ("INVALID_PASSWORD", "203.0.113.7"): 1 + 3,
        ("INVALID_PASSWORD", "203.0.113.8"): 1,
        ("BANNED_USER", "203.0.113.7"): 2,
    }
    assert database.execute("select count(*) from audit_log where details like '%unknown@%'") == [
        (0,)
    ]


@pytest.fixture
def revoked(database: Database) -> Tenant:
    """A tenant whose key is revoked; it has another, which is not."""
    tenant = database.init()
    database.execute("update api_key set revoked_at = '2026-01-01T00:00:00.000Z'")
    return tenant


def test_uses_of_a_refused_key_are_recorded(database: Database, revoked: Tenant) -> None:
    owner = {"Authorization": f"Bearer {database.add_session(revoked.user_id)}"}
    with behind_a_proxy(database) as server:
        for _ in range(5):
            answer = server.request(
                "GET",
                "/auth/whoami",
                headers={"X-API-Key": revoked.key, "X-Forwarded-For": "203.0.113.7"},
            )
            assert_error(answer, 401, "unauthorized")
        verify = {"key": revoked.key, "ip": "198.51.100.1"}
        found = server.request("POST", "/auth/api-keys/verify", json=verify, headers=owner)
        assert found.json()["code"] == "REVOKED"
        # Its owner reads it in the log, where it is said which key, how often and from where.
        until(lambda: len(recorded(database, "api_key.refused")) >= 2)
        page = server.request(
            "GET", "/audit-log", headers=owner, params={"action": "api_key.refused"}
        )
        assert {entry["ip_address"] for entry in page.json()["audit_log"]} == {
            "203.0.113.7",
            "198.51.100.1",
        }
    events = recorded(database, "api_key.refused")
    assert {each["reason"] for each in events} == {"REVOKED"}
    assert {(each["org_id"], each["env_id"]) for each in events} == {
        (revoked.org_id, revoked.env_id)
    }
    assert {(each["user_id"], each["api_key_id"]) for each in events} == {(None, None)}
    assert sum(each["count"] for each in events) == 6


def test_a_refusal_names_the_secret_that_was_used(database: Database) -> None:
    tenant = database.init()
    with behind_a_proxy(database) as server:
        by_it = {"X-API-Key": tenant.key}
        ((key_id, old),) = database.execute("select id, prefix from api_key")
        path = f"/auth/api-keys/{key_id}/rotations"
        rotated = server.request("POST", path, headers=by_it, json={"grace_period_seconds": 0})
        by_the_new = {"X-API-Key": rotated.json()["key"]}
        assert server.request("GET", "/auth/whoami", headers=by_the_new).status_code == 200
        assert server.request("GET", "/auth/whoami", headers=by_it).status_code == 401
        until(lambda: bool(recorded(database, "api_key.refused")))
        assert server.request("DELETE", path.rpartition("/")[0], headers=by_the_new).is_success
        assert server.request("GET", "/auth/whoami", headers=by_the_new).status_code == 401
    found = {(each["reason"], each["key_prefix"]) for each in recorded(database, "api_key.refused")}
    new = rotated.json()["rotation"]["key_prefix"]
    assert found == {("EXPIRED", old), ("REVOKED", new)}


def test_many_attempts_are_few_events(database: Database, revoked: Tenant) -> None:
    with behind_a_proxy(database, workers=2) as server:
        for number in range(300):
            headers = {"X-API-Key": revoked.key, "X-Forwarded-For": f"10.0.0.{number % 50}"}
            server.request("GET", "/auth/whoami", headers=headers)
    events = recorded(database, "api_key.refused")
    assert sum(each["count"] for each in events) == 300
    # Of each worker 20 addresses and one for all others, and each of these twice.
    assert len(events) <= 2 * 2 * 21
    assert any(each["ip"] is None for each in events)


def test_no_secret_is_on_record(database: Database, revoked: Tenant) -> None:
    password = "a password that was mistyped"
    with serving(database) as server:
        sign_in(server, revoked.email, password, "203.0.113.7")
        server.request("GET", "/auth/whoami", headers={"X-API-Key": revoked.key})
    dump = database.dump()
    assert len(recorded(database, "session.refused")) == 1
    assert len(recorded(database, "api_key.refused")) == 1
    assert password not in dump
    assert revoked.key not in dump
