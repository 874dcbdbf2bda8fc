"""GET and POST /environments, GET, PATCH and DELETE /environments/{id}."""

from typing import Any

import httpx
import pytest
from support import Server, Tenant, assert_error

Headers = dict[str, str]


def person(server: Server, org_id: str, role: str) -> Headers:
    user = server.database.add_user()
    server.database.add_member(org_id, user, role)
    return {"Authorization": f"Bearer {server.database.add_session(user)}"}


def make(server: Server, headers: Headers, slug: str, **body: Any) -> httpx.Response:
    body = {"name": "Staging", "slug": slug, **body}
    return server.request("POST", "/environments", json=body, headers=headers)


def key_in(server: Server, headers: Headers, environment: dict[str, Any], **body: Any) -> Any:
    body = {"name": "k", "org_id": environment["org_id"], "env_id": environment["id"], **body}
    answer = server.request("POST", "/auth/api-keys", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


# Create


@pytest.mark.not_in_sandbox(reason="all environments of a sandbox are in test mode")
@pytest.mark.parametrize("mode", ["live", "test", None])
def test_201_its_mode_decides_the_prefix_of_its_keys(
    server: Server, tenant: Tenant, owner: Headers, mode: str | None
) -> None:
    answer = make(server, owner, f"mode-{mode}".lower(), **({"mode": mode} if mode else {}))
    assert answer.status_code == 201, answer.text
    made = answer.json()["environment"]
    assert (made["org_id"], made["mode"]) == (tenant.org_id, mode or "live")
    assert key_in(server, owner, made)["key"].startswith(f"hs_{made['mode']}_")
    shown = server.request("GET", f"/environments/{made['id']}", headers=owner)
    assert shown.json() == answer.json()


def test_201_by_hookstream_s_own_words(server: Server, owner: Headers) -> None:
    body = {"name": "Production", "slug": "by-their-words"}
    answer = server.request("POST", "/environments", json=body, headers=owner)
    assert answer.status_code == 201
    assert {"id", "org_id", "name", "slug", "created_at"} <= set(answer.json()["environment"])


@pytest.mark.parametrize(
    ("changes", "location"),
    [
        ({"name": ""}, "body/name"),
        ({"slug": "Staging"}, "body/slug"),
        ({"slug": "-"}, "body/slug"),
        ({"slug": "x" * 65}, "body/slug"),
        ({"mode": "prod"}, "body/mode"),
        ({"org_id": "a b"}, "body/org_id"),
        ({"color": "red"}, "body"),
    ],
)
def test_400_to_invalid_requests(
    server: Server, owner: Headers, changes: dict[str, str], location: str
) -> None:
    answer = make(server, owner, **{"slug": "fine", **changes})
    assert_error(answer, 400, "bad_request", location)


def test_201_without_a_name_in_the_first_organization(server: Server) -> None:
    user = server.database.add_user()
    headers = {"Authorization": f"Bearer {server.database.add_session(user)}"}
    assert_error(make(server, headers, "x"), 404, "organization_not_found")
    first, second = (server.database.add_organization() for _ in range(2))
    for org_id in (first, second):
        server.database.add_member(org_id, user, "owner")
    assert make(server, headers, "x").json()["environment"]["org_id"] == first
    assert make(server, headers, "x", org_id=second).json()["environment"]["org_id"] == second
    listed = server.request("GET", "/environments", headers=headers).json()["environments"]
    assert [each["org_id"] for each in listed] == [first]


def test_401_without_a_credential(server: Server) -> None:
    assert_error(make(server, {}, "x"), 401, "unauthorized")
    assert_error(server.request("GET", "/environments"), 401, "unauthorized")


def test_403_to_members_and_keys(server: Server, tenant: Tenant) -> None:
    assert_error(make(server, {"X-API-Key": tenant.key}, "x"), 403, "forbidden")
    member = person(server, tenant.org_id, "member")
    assert_error(make(server, member, "x"), 403, "forbidden")
    for method, body in (("PATCH", {"name": "x"}), ("DELETE", None)):
        path = f"/environments/{tenant.env_id}"
        answer = server.request(method, path, headers=member, json=body)
        assert_error(answer, 403, "forbidden")
    assert server.request("GET", f"/environments/{tenant.env_id}", headers=member).is_success


def test_409_to_a_slug_in_use(server: Server, owner: Headers) -> None:
    first = make(server, owner, "once").json()["environment"]
    assert_error(make(server, owner, "once"), 409, "conflict", "body/slug")
    # Another organization's are not in the way.
    other = server.database.add_organization()
    outsider = person(server, other, "owner")
    assert make(server, outsider, "once").status_code == 201
    server.request("DELETE", f"/environments/{first['id']}", headers=owner)
    assert make(server, owner, "once").status_code == 201


# List


def test_200_a_list_is_newest_first_and_a_key_sees_its_own(server: Server) -> None:
    org_id = server.database.add_organization()
    admin = person(server, org_id, "admin")
    made = [make(server, admin, f"e-{number}").json()["environment"] for number in range(3)]
    first = server.request("GET", "/environments", headers=admin, params={"limit": 2}).json()
    assert first["environments"] == [made[2], made[1]]
    cursor = {"cursor": first["cursor"], "org_id": org_id}
    rest = server.request("GET", "/environments", headers=admin, params=cursor).json()
    assert rest == {"environments": [made[0]], "cursor": None, "has_more": False}

    key = {"X-API-Key": key_in(server, admin, made[1])["key"]}
    own = server.request("GET", "/environments", headers=key).json()
    assert own["environments"] == [made[1]]
    assert server.request("GET", f"/environments/{made[1]['id']}", headers=key).is_success
    sibling = server.request("GET", f"/environments/{made[0]['id']}", headers=key)
    assert_error(sibling, 404, "environment_not_found")


# Change


@pytest.mark.not_in_sandbox(reason="a sandbox's environment has another name")
def test_200_update_changes_the_given_fields(server: Server, owner: Headers) -> None:
    made = make(server, owner, "before").json()["environment"]
    path = f"/environments/{made['id']}"
    answer = server.request("PATCH", path, json={"slug": "after"}, headers=owner)
    assert answer.status_code == 200
    assert answer.json()["environment"] == {**made, "slug": "after"}
    key = {"X-API-Key": key_in(server, owner, made, scopes="environments:update")["key"]}
    renamed = server.request("PATCH", path, json={"name": "By its key"}, headers=key)
    assert renamed.json()["environment"]["name"] == "By its key"
    assert_error(server.request("GET", path, headers=key), 403, "insufficient_scope")
    mode = server.request("PATCH", path, json={"mode": "test"}, headers=owner)
    assert_error(mode, 400, "bad_request", "body")
    taken = server.request("PATCH", path, json={"slug": "production"}, headers=owner)
    assert_error(taken, 409, "conflict", "body/slug")


# Delete


def test_204_revokes_its_keys_at_once(server: Server, owner: Headers) -> None:
    made = make(server, owner, "short-lived").json()["environment"]
    key = key_in(server, owner, made)
    headers = {"X-API-Key": key["key"]}
    path = f"/environments/{made['id']}"
    assert_error(server.request("DELETE", path, headers=headers), 403, "forbidden")
    assert server.request("GET", "/auth/whoami", headers=headers).is_success

    assert server.request("DELETE", path, headers=owner).status_code == 204
    assert_error(server.request("GET", "/auth/whoami", headers=headers), 401, "unauthorized")
    shown = server.request("GET", f"/auth/api-keys/{key['id']}", headers=owner).json()["api_key"]
    assert (shown["state"], shown["revocation_reason"]) == ("revoked", "cessationOfOperation")
    # They are listed as well, unlike those of another organization's environment.
    where = f"/auth/api-keys?org_id={made['org_id']}&env_id={made['id']}"
    listed = server.request("GET", where, headers=owner).json()["api_keys"]
    assert [(each["id"], each["state"]) for each in listed] == [(key["id"], "revoked")]
    other = server.database.add_organization()
    foreign = server.request(
        "GET",
        f"/auth/api-keys?org_id={other}&env_id={made['id']}",
        headers=person(server, other, "owner"),
    )
    assert_error(foreign, 404, "environment_not_found")
    body = {"name": "late", "org_id": made["org_id"], "env_id": made["id"]}
    late = server.request("POST", "/auth/api-keys", json=body, headers=owner)
    assert_error(late, 404, "environment_not_found")
    for method, change in (("GET", None), ("PATCH", {"name": "x"}), ("DELETE", None)):
        answer = server.request(method, path, json=change, headers=owner)
        assert_error(answer, 404, "environment_not_found")
    assert server.database.actions("env_id", made["id"])[-3:] == [
        "environment.deleted",
        "api_key.revoked",
        "environment.deletion_completed",
    ]
