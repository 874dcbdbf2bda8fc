"""GET /audit-log, a test for everything that it answers."""

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from support import Database, Server, Tenant, assert_error, cookie, serving, told

Create = Callable[..., httpx.Response]

MEMBERS = {
    "id",
    "org_id",
    "user_id",
    "api_key_id",
    "action",
    "resource_type",
    "resource_id",
    "details",
    "ip_address",
    "request_id",
    "created_at",
}


def listed(server: Server, headers: dict[str, str], **parameters: Any) -> httpx.Response:
    return server.request("GET", "/audit-log", headers=headers, params=parameters)


def entries(server: Server, headers: dict[str, str], **parameters: Any) -> list[dict[str, Any]]:
    answer = listed(server, headers, **parameters)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["audit_log"]
    return found


def session_of(server: Server, user_id: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {server.database.add_session(user_id)}"}


@pytest.fixture
def key(tenant: Tenant) -> dict[str, str]:
    return {"X-API-Key": tenant.key}


# 200


@pytest.mark.not_in_sandbox(reason="all environments of a sandbox are in test mode")
def test_200_an_entry_says_who_did_what_from_where(
    server: Server, tenant: Tenant, create: Create, owner: dict[str, str]
) -> None:
    answer = create(headers=owner, name="Audited")
    created = answer.json()
    digest = hashlib.sha256(created["key"].encode()).digest()
    (entry,) = entries(server, owner, resource_id=created["id"])
    assert set(entry) == MEMBERS
    assert re.fullmatch(r"al_[0-9a-f]{32}", entry.pop("id"))
    moment = datetime.fromisoformat(entry.pop("created_at"))
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)
    assert entry == {
        "org_id": tenant.org_id,
        "user_id": tenant.user_id,
        "api_key_id": None,
        "action": "api_key.created",
        "resource_type": "api_key",
        "resource_id": created["id"],
        "details": {
            "env_id": tenant.env_id,
            "key_prefix": created["key_prefix"],
            "name": "Audited",
            "scopes": "*",
            "role": "owner",
            "created_by": tenant.user_id,
            "secret_fingerprint": hashlib.sha256(
                b"hookstream-keys secret fingerprint" + digest
            ).hexdigest()[:32],
        },
        "ip_address": "127.0.0.1",
        "request_id": answer.headers["x-request-id"],
    }


def test_200_the_restrictions_of_a_created_key_are_recorded(
    server: Server, create: Create, owner: dict[str, str]
) -> None:
    rules = {
        "expires_at": "2999-01-01T00:00:00.000Z",
        "allowed_ips": ["192.0.2.0/24"],
        "rate_limit": {"requests": 5, "window_seconds": 60},
        "metadata": {"a": "b"},
        "external_id": "x",
    }
    created = create(headers=owner, scopes="events:read", **rules).json()
    (entry,) = entries(server, owner, resource_id=created["id"])
    restricted = dict.fromkeys(("scopes", "expires_at", "allowed_ips", "rate_limit"), "owner")
    told = rules | {"scopes": "events:read", "restricted_by": restricted}
    assert {name: entry["details"][name] for name in told} == told


def test_200_a_rotation_that_removes_the_expiry_is_recorded_with_the_old_one(
    server: Server, create: Create, owner: dict[str, str]
) -> None:
    expiry = "2999-01-01T00:00:00.000Z"
    created = create(headers=owner, expires_at=expiry).json()
    path = f"/auth/api-keys/{created['id']}/rotations"
    body = {"grace_period_seconds": 0, "expires_at": None}
    new = server.request("POST", path, headers=owner, json=body).json()["key"]
    assert server.request("GET", "/auth/whoami", headers={"X-API-Key": new}).status_code == 200
    removed = {"old": expiry, "new": None}
    for action in ("api_key.rotated", "api_key.rotation_activated"):
        (entry,) = entries(server, owner, resource_id=created["id"], action=action)
        assert entry["details"]["changes"]["expires_at"] == removed


def test_200_a_key_s_entry_names_the_key(
    server: Server, create: Create, key: dict[str, str]
) -> None:
    parent = create(headers=key).json()
    child = create(headers={"X-API-Key": parent["key"]}).json()
    (entry,) = entries(server, key, resource_id=child["id"])
    assert (entry["user_id"], entry["api_key_id"]) == (None, parent["id"])


def test_200_an_operator_s_entry_names_no_actor(
    server: Server, tenant: Tenant, owner: dict[str, str]
) -> None:
    (entry,) = entries(server, owner, resource_id=tenant.org_id)
    assert entry["action"] == "organization.created"
    assert [entry[name] for name in ("user_id", "api_key_id", "ip_address")] == [None] * 3


def test_200_no_secret_is_in_it(server: Server, create: Create, owner: dict[str, str]) -> None:
    created = create().json()
    assert created["key"] not in listed(server, owner, limit=200).text


def test_200_newest_first_in_one_page_without_a_cursor(
    server: Server, create: Create, owner: dict[str, str]
) -> None:
    made = [create().json()["id"] for _ in range(3)]
    page = listed(server, owner, limit=3).json()
    assert [entry["resource_id"] for entry in page["audit_log"]] == made[::-1]
    assert page["has_more"] is True
    whole = listed(server, owner, resource_id=made[0]).json()
    assert (whole["has_more"], whole["next_cursor"]) == (False, None)


def test_200_a_page_that_is_exactly_full_is_the_last(
    server: Server, create: Create, owner: dict[str, str]
) -> None:
    made = create().json()["id"]
    page = listed(server, owner, resource_id=made, limit=1).json()
    assert (len(page["audit_log"]), page["has_more"], page["next_cursor"]) == (1, False, None)


def test_200_50_entries_without_a_limit(
    server: Server, create: Create, owner: dict[str, str]
) -> None:
    for _ in range(51):
        assert create().status_code == 201
    assert len(entries(server, owner)) == 50
    assert len(entries(server, owner, limit=200)) > 50


@pytest.mark.not_in_sandbox(reason="a sandbox begins with another environment")
def test_200_filters_are_joined_by_and(
    server: Server, tenant: Tenant, create: Create, owner: dict[str, str]
) -> None:
    made = create().json()["id"]
    assert {
        entry["resource_type"] for entry in entries(server, owner, resource_type="api_key")
    } == {"api_key"}
    environments = entries(server, owner, action="environment.created")
    assert [entry["resource_id"] for entry in environments] == [tenant.env_id]
    both = {"resource_type": "api_key", "action": "api_key.created"}
    assert [entry["resource_id"] for entry in entries(server, owner, **both, resource_id=made)] == [
        made
    ]
    assert entries(server, owner, **both, resource_id=tenant.env_id) == []
    assert entries(server, owner, resource_type="api_key", action="environment.created") == []
    assert entries(server, owner, action="no.such") == []


def test_200_all_pages_have_each_old_entry_once_while_new_ones_come(
    server: Server, tenant: Tenant, create: Create, owner: dict[str, str]
) -> None:
    for _ in range(10):
        create()
    old = server.database.execute(
        "select id from audit_log where org_id = ? order by seq desc", (tenant.org_id,)
    )
    stop = threading.Event()

    def insert() -> None:
        while not stop.is_set():
            assert create().status_code == 201

    inserting = threading.Thread(target=insert)
    inserting.start()
    try:
        seen: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            assert create().status_code == 201
            page = listed(server, owner, limit=7, **cursor).json()
            seen += [entry["id"] for entry in page["audit_log"]]
            if not page["has_more"]:
                break
            assert len(page["audit_log"]) == 7
            # Hookstream's name, and the one of all lists.
            assert page["next_cursor"] == page["cursor"]
            cursor = {"cursor": page["next_cursor"]}
    finally:
        stop.set()
        inserting.join()
    assert len(set(seen)) == len(seen)
    assert seen[-len(old) :] == [row[0] for row in old]


@pytest.mark.parametrize("role", ["owner", "admin", "admin,owner", "member, admin"])
def test_200_to_owners_and_admins(server: Server, role: str) -> None:
    user = server.database.add_user()
    org = server.database.add_organization()
    server.database.add_member(org, user, role)
    assert entries(server, session_of(server, user)) == []
    assert entries(server, session_of(server, user), org_id=org) == []


def test_200_with_a_session_cookie_whatever_the_origin(server: Server, tenant: Tenant) -> None:
    headers = {"Cookie": cookie(server.database.add_session(tenant.user_id))}
    assert listed(server, headers).status_code == 200


def test_200_a_user_with_several_organizations_names_one_or_gets_the_first(
    server: Server, create: Create
) -> None:
    user = server.database.add_user()
    headers = session_of(server, user)
    made = {}
    for _ in range(2):
        org = server.database.add_organization()
        env = server.database.add_environment(org)
        server.database.add_member(org, user, "owner")
        made[org] = create(headers=headers, org_id=org, env_id=env).json()["id"]
    for org, key_id in made.items():
        found = entries(server, headers, org_id=org)
        assert [(entry["org_id"], entry["resource_id"]) for entry in found] == [(org, key_id)]
    first, second = made
    assert entries(server, headers) == entries(server, headers, org_id=first)
    server.database.execute(
        'update "session" set "activeOrganizationId" = ? where "userId" = ?', (second, user)
    )
    assert entries(server, headers) == entries(server, headers, org_id=second)
    server.database.execute(
        'update "session" set "activeOrganizationId" = ? where "userId" = ?', ("org_0", user)
    )
    assert entries(server, headers) == entries(server, headers, org_id=first)


@pytest.mark.parametrize("scopes", ["*", "audit-log:*", "audit-log:read"])
def test_200_a_key_reads_what_is_about_its_own_environment(
    server: Server, tenant: Tenant, create: Create, owner: dict[str, str], scopes: str
) -> None:
    sibling = server.database.add_environment(tenant.org_id)
    parent = create(headers=owner, env_id=sibling, scopes=f"{scopes} api-keys:create").json()
    headers = {"X-API-Key": parent["key"]}
    child = create(headers=headers, env_id=sibling, scopes="api-keys:create").json()
    create()
    found = entries(server, headers, limit=200)
    assert [entry["resource_id"] for entry in found] == [child["id"], parent["id"]]
    assert entries(server, headers, org_id=tenant.org_id) == found[:50]
    assert entries(server, headers, action="organization.created") == []


# 400


@pytest.mark.parametrize(
    ("parameters", "location"),
    [
        ({"limit": "0"}, "query/limit"),
        ({"limit": "201"}, "query/limit"),
        ({"limit": "-1"}, "query/limit"),
        ({"limit": "ten"}, "query/limit"),
        ({"limit": "1.5"}, "query/limit"),
        ({"limit": ""}, "query/limit"),
        ({"limit": "9" * 30}, "query/limit"),
        ({"org_id": ""}, "query/org_id"),
        ({"org_id": "a/b"}, "query/org_id"),
        ({"org_id": "x" * 65}, "query/org_id"),
        ({"resource_type": "api key"}, "query/resource_type"),
        ({"resource_type": "x" * 65}, "query/resource_type"),
        ({"resource_id": "' or 1=1"}, "query/resource_id"),
        ({"resource_id": "a\n"}, "query/resource_id"),
        ({"action": "a:b"}, "query/action"),
        ({"action": "x" * 101}, "query/action"),
        ({"cursor": ""}, "query/cursor"),
        ({"cursor": "no cursor"}, "query/cursor"),
        ({"cursor": "nonsense"}, "query/cursor"),
        ({"cursor": "7"}, "query/cursor"),
        ({"cursor": "al_" + "0" * 31}, "query/cursor"),
        ({"cursor": "al_" + "0" * 33}, "query/cursor"),
        ({"cursor": "al_" + "0" * 32 + "\n"}, "query/cursor"),
        # Of 0.2.0: `["al_…"]` in base64.
        ({"cursor": "WyJhbF8wMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMCJd"}, "query/cursor"),
        ({"user_id": "usr_1"}, "query/user_id"),
    ],
)
def test_400_names_the_parameter(
    server: Server, key: dict[str, str], parameters: dict[str, str], location: str
) -> None:
    assert_error(listed(server, key, **parameters), 400, "bad_request", location)


def test_200_an_empty_page_after_an_entry_of_another_organization(
    server: Server, create: Create, key: dict[str, str]
) -> None:
    user = server.database.add_user()
    headers = session_of(server, user)
    org = server.database.add_organization()
    env = server.database.add_environment(org)
    server.database.add_member(org, user, "owner")
    for _ in range(2):
        create(headers=headers, org_id=org, env_id=env)
    cursor = listed(server, headers, limit=1).json()["next_cursor"]
    assert listed(server, headers, cursor=cursor).status_code == 200
    empty: dict[str, Any] = {
        "audit_log": [],
        "cursor": None,
        "next_cursor": None,
        "has_more": False,
    }
    # The same as after an entry that does not exist.
    for there in (cursor, "al_" + "0" * 32):
        answer = listed(server, key, cursor=there)
        assert (answer.status_code, answer.json()) == (200, empty)


# 401


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "nonsense"}])
def test_401_without_a_valid_credential(server: Server, headers: dict[str, str]) -> None:
    assert_error(listed(server, headers), 401, "unauthorized")


# 403


@pytest.mark.parametrize("role", ["member", "billing", "administrator", "owner2,member"])
def test_403_to_members(server: Server, role: str) -> None:
    user = server.database.add_user()
    org = server.database.add_organization()
    server.database.add_member(org, user, role)
    for parameters in ({}, {"org_id": org}):
        assert_error(listed(server, session_of(server, user), **parameters), 403, "forbidden")


def test_403_to_a_key_without_the_scope(server: Server, create: Create) -> None:
    narrow = create(scopes="audit-log:write api-keys:*").json()["key"]
    body = assert_error(listed(server, {"X-API-Key": narrow}), 403, "insufficient_scope")
    assert "audit-log:read" in body["error"]


# 404


def test_404_an_inaccessible_organization(
    server: Server, create: Create, owner: dict[str, str], key: dict[str, str]
) -> None:
    org = server.database.add_organization()
    narrow = {"X-API-Key": create(scopes="events:read").json()["key"]}
    answers = [
        listed(server, headers, org_id=org_id)
        for headers in (owner, key, narrow)
        for org_id in (org, "org_0")
    ]
    for answer in answers:
        assert_error(answer, 404, "organization_not_found")
    assert len({told(answer) for answer in answers}) == 1


def test_404_to_a_user_without_an_organization(server: Server) -> None:
    headers = session_of(server, server.database.add_user())
    assert_error(listed(server, headers), 404, "organization_not_found")


def test_404_when_the_user_is_no_longer_a_member(server: Server) -> None:
    user = server.database.add_user()
    org = server.database.add_organization()
    server.database.add_member(org, user, "owner")
    headers = session_of(server, user)
    assert listed(server, headers, org_id=org).status_code == 200
    server.database.execute('delete from "member" where "userId" = ?', (user,))
    assert_error(listed(server, headers, org_id=org), 404, "organization_not_found")


# 503


@pytest.fixture
def broken(database: Database) -> Iterator[tuple[Server, Tenant]]:
    tenant = database.init()
    with serving(database) as server:
        database.execute("alter table audit_log rename to audit_log_away")
        yield server, tenant


def test_503_when_the_database_does_not_answer(broken: tuple[Server, Tenant]) -> None:
    server, tenant = broken
    answer = listed(server, {"X-API-Key": tenant.key})
    assert_error(answer, 503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0


def test_503_and_no_key_when_the_change_cannot_be_recorded(database: Database) -> None:
    tenant = database.init()
    with serving(database) as server:
        database.execute("delete from audit_head")
        answer = server.request(
            "POST",
            "/auth/api-keys",
            json={"name": "n", "org_id": tenant.org_id, "env_id": tenant.env_id},
            headers={"X-API-Key": tenant.key},
        )
        assert_error(answer, 503, "unavailable")
    assert database.count("api_key") == 1
