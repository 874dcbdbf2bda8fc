"""Large deletions: at once for every caller, and row by row beside the writes of others."""

import threading
import time
from collections import Counter
from typing import Any

import httpx
import pytest
from support import Database, Server, Tenant, assert_error, serving, until
from support.backups import verified
from support.large_environments import LargeEnvironment, add_large_environment

#: Enough for dozens of batches.
KEYS = 1_500
NOT_REVOKED = "select count(*) from api_key where revoked_at is null and env_id = ?"


class Other:
    """Another tenant, who creates keys back to back."""

    def __init__(self, server: Server, database: Database) -> None:
        self._server = server
        org_id = database.add_organization()
        env_id = database.add_environment(org_id)
        user_id = database.add_user()
        database.add_member(org_id, user_id, "owner")
        self._headers = {"Authorization": f"Bearer {database.add_session(user_id)}"}
        self._body = {"name": "k", "org_id": org_id, "env_id": env_id}
        self._stop = threading.Event()
        self.statuses: Counter[int] = Counter()
        self.slowest = 0.0
        self._thread = threading.Thread(target=self._create)

    def _create(self) -> None:
        with httpx.Client(base_url=self._server.url, headers=self._headers) as client:
            while not self._stop.is_set():
                begun = time.monotonic()
                answer = client.post("/auth/api-keys", json=self._body)
                self.statuses[answer.status_code] += 1
                self.slowest = max(self.slowest, time.monotonic() - begun)

    def __enter__(self) -> "Other":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture
def large(database: Database) -> tuple[Tenant, LargeEnvironment]:
    tenant = database.init()
    return tenant, add_large_environment(database, tenant.org_id, KEYS)


def events(database: Database, action: str) -> list[tuple[Any, ...]]:
    return database.execute(
        "select resource_id, details from audit_log where action = ? order by seq", (action,)
    )


def active_keys(server: Server, owner: dict[str, str]) -> list[str]:
    """The environment of each active key, from all pages of the list."""
    found, page = [], {"has_more": True, "cursor": None}
    while page["has_more"]:
        cursor = {"cursor": page["cursor"]} if page["cursor"] else {}
        wanted = {"state": "active", "limit": "100", **cursor}
        page = server.request("GET", "/auth/api-keys", headers=owner, params=wanted).json()
        found += [key["env_id"] for key in page["api_keys"]]
    return found


def test_204_of_a_large_environment_revokes_all_keys_at_once_and_delays_no_write(
    database: Database, large: tuple[Tenant, LargeEnvironment]
) -> None:
    tenant, environment = large
    owner = {"Authorization": f"Bearer {database.add_session(tenant.user_id)}"}
    with serving(database, workers=2, HOOKSTREAM_RATE_LIMIT="off") as server:
        with Other(server, database) as other:
            until(lambda: other.statuses[201] > 5)
            path = f"/environments/{environment.id}"
            assert server.request("DELETE", path, headers=owner).status_code == 204
            mine = {"X-API-Key": tenant.key}
            body = {"key": environment.secret}
            found = server.request("POST", "/auth/api-keys/verify", json=body, headers=owner)
            whoami = server.request(
                "GET", "/auth/whoami", headers={"X-API-Key": environment.secret}
            )
            (left,) = database.execute(NOT_REVOKED, (environment.id,))[0]
            # The rows were not updated yet.
            assert left > KEYS / 2
            assert (found.json()["code"], found.json()["valid"]) == ("REVOKED", False)
            assert_error(whoami, 401, "unauthorized")
            assert server.request("GET", "/auth/whoami", headers=mine).status_code == 200
            again = server.request("DELETE", path, headers=owner)
            assert_error(again, 404, "environment_not_found")
            # The tenant's first key, after the pages without the keys that were just revoked.
            assert active_keys(server, owner) == [tenant.env_id]
            until(lambda: bool(events(database, "environment.deletion_completed")))
        assert set(other.statuses) == {201}
    assert database.execute(NOT_REVOKED, (environment.id,)) == [(0,)]
    revoked = [row[0] for row in events(database, "api_key.revoked")]
    assert sorted(revoked) == sorted(environment.key_ids)
    assert events(database, "environment.deletion_completed") == [
        (environment.id, f'{{"keys_revoked":{KEYS}}}')
    ]


def test_204_of_a_large_organization_hides_it_at_once(
    database: Database, large: tuple[Tenant, LargeEnvironment]
) -> None:
    tenant, environment = large
    owner = {"Authorization": f"Bearer {database.add_session(tenant.user_id)}"}
    with serving(database, HOOKSTREAM_RATE_LIMIT="off") as server:
        path = f"/organizations/{tenant.org_id}"
        slug = server.request("GET", path, headers=owner).json()["organization"]["slug"]
        assert server.request("DELETE", path, headers=owner).status_code == 204
        assert database.count("api_key") > KEYS / 2
        assert_error(server.request("GET", path, headers=owner), 404, "organization_not_found")
        for key in (tenant.key, environment.secret):
            answer = server.request("GET", "/auth/whoami", headers={"X-API-Key": key})
            assert_error(answer, 401, "unauthorized")
        for hidden, code in {
            f"{path}/members": "organization_not_found",
            f"/audit-log?org_id={tenant.org_id}": "organization_not_found",
            f"/auth/api-keys?org_id={tenant.org_id}": "organization_not_found",
            f"/environments?org_id={tenant.org_id}": "organization_not_found",
            f"/environments/{environment.id}": "environment_not_found",
            f"/auth/api-keys/{environment.key_ids[-1]}": "api_key_not_found",
        }.items():
            assert_error(server.request("GET", hidden, headers=owner), 404, code)
        listed = server.request("GET", "/organizations", headers=owner).json()
        assert listed["organizations"] == []
        body = {"name": "Next", "slug": slug}
        made = server.request("POST", "/organizations", json=body, headers=owner)
        assert made.status_code == 201
        until(lambda: bool(events(database, "organization.deletion_completed")))
    for table in ("api_key", "environment", "pending_deletion"):
        assert database.count(table) == 0
    # The tenant's first key, too.
    assert events(database, "organization.deletion_completed") == [
        (tenant.org_id, f'{{"keys_revoked":{KEYS + 1}}}')
    ]
    assert len(events(database, "api_key.revoked")) == KEYS + 1
    assert verified(database)["ok"]
