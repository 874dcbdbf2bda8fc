"""What is counted of a key: its uses, and the attempts that were refused."""

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from support import Database, Server, Tenant, serving

from hookstream_keys.runtime.usage import FLUSH_SECONDS

Shown = dict[str, Any]


class Keys:
    """The keys of a tenant, and what is done with them."""

    def __init__(self, server: Server, tenant: Tenant) -> None:
        self.server, self.tenant = server, tenant
        session = server.database.add_session(tenant.user_id)
        self.owner = {"Authorization": f"Bearer {session}"}

    def create(self, **changes: Any) -> dict[str, str]:
        body = {"name": "k", "org_id": self.tenant.org_id, "env_id": self.tenant.env_id}
        answer = self.server.request(
            "POST", "/auth/api-keys", json={**body, **changes}, headers=self.owner
        )
        created: dict[str, str] = answer.json()
        return created

    def change(self, key_id: str, **changes: Any) -> None:
        path = f"/auth/api-keys/{key_id}"
        answer = self.server.request("PATCH", path, json=changes, headers=self.owner)
        assert answer.status_code == 200

    def verify(self, key: str, **more: Any) -> str:
        answer = self.server.request(
            "POST",
            "/auth/api-keys/verify",
            json={"key": key, **more},
            headers={"X-API-Key": self.tenant.key},
        )
        return str(answer.json()["code"])

    def shown(self, key_id: str) -> Shown:
        path = f"/auth/api-keys/{key_id}"
        found: Shown = self.server.request("GET", path, headers=self.owner).json()["api_key"]
        return found

    def once(self, key_id: str, is_so: Callable[[Shown], object]) -> Shown:
        """The key as it is shown as soon as it is so: within the time that is promised."""
        deadline = time.monotonic() + FLUSH_SECONDS + 3
        while True:
            shown = self.shown(key_id)
            if is_so(shown):
                return shown
            assert time.monotonic() < deadline, shown
            time.sleep(0.1)


@pytest.fixture(scope="module")
def keys(server: Server, tenant: Tenant) -> Keys:
    return Keys(server, tenant)


def test_a_key_that_was_never_used_says_so(keys: Keys) -> None:
    shown = keys.shown(keys.create()["id"])
    assert (shown["request_count"], shown["last_used_at"], shown["last_used_ip"]) == (0, None, None)
    assert shown["failed_attempts"] == []


def test_every_use_is_counted_within_seconds(keys: Keys) -> None:
    created = keys.create()
    key = {"X-API-Key": created["key"]}
    before = time.time()
    for _ in range(3):
        assert keys.verify(created["key"], ip="203.0.113.7") == "VALID"
    keys.server.request("GET", "/auth/authorize", headers=key)
    keys.server.request(
        "GET", "/auth/whoami", headers={"Authorization": f"Bearer {created['key']}"}
    )
    shown = keys.once(created["id"], lambda key: key["request_count"] == 5)
    assert shown["last_used_at"] >= time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(before))
    assert shown["last_used_ip"] == "127.0.0.1"
    assert keys.verify(created["key"], ip="203.0.113.9") == "VALID"
    shown = keys.once(created["id"], lambda key: key["request_count"] == 6)
    assert shown["last_used_ip"] == "203.0.113.9"
    assert shown["failed_attempts"] == []


def test_a_list_shows_it_as_well(keys: Keys) -> None:
    created = keys.create()
    keys.verify(created["key"])
    keys.once(created["id"], lambda key: key["request_count"])
    listed = keys.server.request("GET", "/auth/api-keys", headers=keys.owner).json()["api_keys"]
    (shown,) = (key for key in listed if key["id"] == created["id"])
    assert shown == keys.shown(created["id"])


def test_refused_attempts_are_counted_by_reason(keys: Keys) -> None:
    created = keys.create(
        scopes="events:read",
        allowed_ips=["203.0.113.0/24"],
        rate_limit={"requests": 1, "window_seconds": 3600},
    )
    valid = {"ip": "203.0.113.7", "scopes": "events:read"}
    for more in (
        valid,
        valid,
        {**valid, "scopes": "events:write"},
        {**valid, "ip": "192.0.2.1"},
        {**valid, "ip": "192.0.2.2"},
    ):
        keys.verify(created["key"], **more)
    keys.change(created["id"], expires_at="2001-01-01T00:00:00Z")
    keys.verify(created["key"], **valid)
    keys.change(created["id"], enabled=False)
    keys.verify(created["key"], **valid)
    keys.server.request("DELETE", f"/auth/api-keys/{created['id']}", headers=keys.owner)
    for address in ("198.51.100.1", "198.51.100.2", "198.51.100.3"):
        keys.verify(created["key"], ip=address)

    shown = keys.once(created["id"], lambda key: len(key["failed_attempts"]) == 6)
    found = {each["reason"]: (each["count"], each["last_ip"]) for each in shown["failed_attempts"]}
    assert found == {
        "RATE_LIMITED": (1, "203.0.113.7"),
        "INSUFFICIENT_SCOPE": (1, "203.0.113.7"),
        "IP_NOT_ALLOWED": (2, "192.0.2.2"),
        "EXPIRED": (1, "203.0.113.7"),
        "DISABLED": (1, "203.0.113.7"),
        "REVOKED": (3, "198.51.100.3"),
    }
    assert shown["request_count"] == 1


def test_refusals_of_a_key_as_a_credential_are_counted(keys: Keys) -> None:
    created = keys.create(scopes="events:read", rate_limit={"requests": 1, "window_seconds": 3600})
    key = {"X-API-Key": created["key"]}
    statuses = [
        keys.server.request("GET", path, headers=key).status_code
        for path in (
            "/auth/authorize?scope=events:write",
            "/auth/authorize?scope=events:read",
            "/auth/authorize",
        )
    ]
    assert statuses == [403, 204, 429]
    keys.change(created["id"], enabled=False)
    keys.server.request("GET", "/auth/whoami", headers=key)
    shown = keys.once(created["id"], lambda key: len(key["failed_attempts"]) == 3)
    assert {each["reason"]: each["count"] for each in shown["failed_attempts"]} == {
        "INSUFFICIENT_SCOPE": 1,
        "RATE_LIMITED": 1,
        "DISABLED": 1,
    }
    assert (shown["request_count"], shown["last_used_ip"]) == (1, "127.0.0.1")


def test_a_missing_scope_is_not_counted_as_a_use(keys: Keys) -> None:
    created = keys.create(scopes="events:read")
    answer = keys.server.request("GET", "/auth/api-keys", headers={"X-API-Key": created["key"]})
    assert answer.status_code == 403
    shown = keys.once(created["id"], lambda key: key["failed_attempts"])
    assert [each["reason"] for each in shown["failed_attempts"]] == ["INSUFFICIENT_SCOPE"]
    assert shown["request_count"] == 0


def test_another_tenant_s_verification_is_not_counted(keys: Keys) -> None:
    created = keys.create()
    user = keys.server.database.add_user()
    keys.server.database.add_member(keys.server.database.add_organization(), user, "owner")
    headers = {"Authorization": f"Bearer {keys.server.database.add_session(user)}"}
    body = {"key": created["key"]}
    answer = keys.server.request("POST", "/auth/api-keys/verify", json=body, headers=headers)
    assert answer.json()["code"] == "NOT_FOUND"
    time.sleep(FLUSH_SECONDS + 0.5)
    shown = keys.shown(created["id"])
    assert (shown["request_count"], shown["failed_attempts"]) == (0, [])


def test_nothing_is_lost_when_the_server_is_stopped(database: Database) -> None:
    tenant = database.init()
    with serving(database, workers=3) as server:
        keys = Keys(server, tenant)
        created = keys.create()
        with ThreadPoolExecutor(6) as pool:
            codes = list(pool.map(lambda _: keys.verify(created["key"]), range(200)))
    assert codes == ["VALID"] * 200
    rows = database.execute(
        "select outcome, count from key_usage where key_id = ?", (created["id"],)
    )
    assert rows == [("VALID", 200)]


def test_a_server_that_is_killed_loses_what_it_has_not_written(database: Database) -> None:
    tenant = database.init()
    with serving(database, workers=1, stop=False) as server:
        keys = Keys(server, tenant)
        created = keys.create()
        for _ in range(10):
            keys.verify(created["key"])
        keys.once(created["id"], lambda key: key["request_count"] == 10)
        for _ in range(7):
            keys.verify(created["key"])
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait(timeout=30)
    rows = database.execute("select count from key_usage where key_id = ?", (created["id"],))
    # What was written stays, and no more is lost than was counted since.
    assert 10 <= rows[0][0] <= 17


def test_the_operator_uses_no_key(database: Database) -> None:
    from support import run  # noqa: PLC0415

    tenant = database.init()
    answer = run("keys", "verify", database=database.path, stdin=tenant.key)
    assert answer.returncode == 0
    assert database.count("key_usage") == 0
