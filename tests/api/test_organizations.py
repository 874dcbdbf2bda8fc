"""GET and POST /organizations, GET, PATCH and DELETE /organizations/{id}."""

from typing import Any

import httpx
import pytest
from support import Server, Tenant, assert_error, cookie

Headers = dict[str, str]


def signed_in(server: Server, user: str) -> Headers:
    return {"Authorization": f"Bearer {server.database.add_session(user)}"}


def person(server: Server, **roles: str) -> Headers:
    """A new user with these roles, by organization: their headers."""
    user = server.database.add_user()
    for org_id, role in roles.items():
        server.database.add_member(org_id, user, role)
    return signed_in(server, user)


def make(server: Server, headers: Headers, **body: Any) -> httpx.Response:
    return server.request("POST", "/organizations", json={"name": "Acme", **body}, headers=headers)


# Create


def test_201_makes_the_caller_its_owner(server: Server) -> None:
    ada = person(server)
    answer = make(server, ada, name="Analytical Engines, Ltd.")
    assert answer.status_code == 201
    made = answer.json()["organization"]
    assert (made["name"], made["role"]) == ("Analytical Engines, Ltd.", "owner")
    assert made["slug"].startswith("analytical-engines-ltd-")
    assert server.database.actions("org_id", made["id"]) == ["organization.created"]
    shown = server.request("GET", f"/organizations/{made['id']}", headers=ada)
    assert shown.json()["organization"] == made
    listed = server.request("GET", "/organizations", headers=ada).json()
    assert listed == {"organizations": [made], "cursor": None, "has_more": False}


def test_201_by_cookie_from_this_server_s_own_page(server: Server) -> None:
    session = server.database.add_session(server.database.add_user())
    headers = {"Cookie": cookie(session), "Origin": server.origin}
    assert make(server, headers).status_code == 201
    del headers["Origin"]
    assert_error(make(server, headers), 403, "untrusted_origin", "header/origin")


@pytest.mark.parametrize(
    ("changes", "location"),
    [
        ({"name": ""}, "body/name"),
        ({"name": " x"}, "body/name"),
        ({"name": "x" * 101}, "body/name"),
        ({"slug": "Acme"}, "body/slug"),
        ({"slug": "a--b"}, "body/slug"),
        ({"slug": "~env"}, "body/slug"),
        ({"slug": ""}, "body/slug"),
        ({"logo": "x"}, "body"),
    ],
)
def test_400_to_invalid_requests(
    server: Server, owner: Headers, changes: dict[str, str], location: str
) -> None:
    assert_error(make(server, owner, **changes), 400, "bad_request", location)


def test_401_without_a_credential(server: Server) -> None:
    assert_error(make(server, {}), 401, "unauthorized")


def test_403_to_a_key(server: Server, tenant: Tenant) -> None:
    assert_error(make(server, {"X-API-Key": tenant.key}), 403, "forbidden")


def test_409_to_a_slug_in_use(server: Server) -> None:
    ada = person(server)
    assert make(server, ada, slug="taken").status_code == 201
    before = server.database.count("organization")
    assert_error(make(server, ada, slug="taken"), 409, "conflict", "body/slug")
    assert server.database.count("organization") == before


# List and get


def test_200_pages_are_newest_first_and_whole(server: Server) -> None:
    ada = person(server)
    made = [make(server, ada).json()["organization"]["id"] for _ in range(5)]
    seen: list[str] = []
    cursor = None
    while True:
        parameters = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = server.request("GET", "/organizations", headers=ada, params=parameters).json()
        seen += [each["id"] for each in page["organizations"]]
        cursor = page["cursor"]
        assert page["has_more"] is (cursor is not None)
        if cursor is None:
            break
        # Rows added meanwhile do not shift the next page.
        make(server, ada)
    assert len(seen) == len(set(seen))
    assert [each for each in seen if each in made] == made[::-1]


def test_200_a_key_lists_its_own_organization(server: Server, tenant: Tenant) -> None:
    headers = {"X-API-Key": tenant.key}
    listed = server.request("GET", "/organizations", headers=headers).json()
    assert [each["id"] for each in listed["organizations"]] == [tenant.org_id]
    assert listed["organizations"][0]["role"] is None
    shown = server.request("GET", f"/organizations/{tenant.org_id}", headers=headers).json()
    assert [shown["organization"]] == listed["organizations"]


def test_400_to_a_cursor_of_another_form(server: Server, owner: Headers) -> None:
    answer = server.request("GET", "/organizations", headers=owner, params={"cursor": "abc"})
    assert_error(answer, 400, "bad_request", "query/cursor")


def test_403_to_a_key_without_the_scope(server: Server, tenant: Tenant) -> None:
    body = {"name": "n", "org_id": tenant.org_id, "env_id": tenant.env_id, "scopes": "events:*"}
    headers = {"X-API-Key": tenant.key}
    narrow = server.request("POST", "/auth/api-keys", json=body, headers=headers).json()["key"]
    for path in ("/organizations", f"/organizations/{tenant.org_id}"):
        answer = server.request("GET", path, headers={"X-API-Key": narrow})
        assert_error(answer, 403, "insufficient_scope")


@pytest.mark.not_in_sandbox(reason="a sandbox keeps its own organization")
def test_404_to_a_caller_who_is_not_a_member(server: Server, tenant: Tenant) -> None:
    outsider = person(server)
    for method, body in (("GET", None), ("PATCH", {"name": "x"}), ("DELETE", None)):
        path = f"/organizations/{tenant.org_id}"
        answer = server.request(method, path, json=body, headers=outsider)
        assert_error(answer, 404, "organization_not_found")


# Change


def test_200_update_changes_the_given_fields(server: Server) -> None:
    ada = person(server)
    made = make(server, ada).json()["organization"]
    path = f"/organizations/{made['id']}"
    answer = server.request("PATCH", path, json={"name": "New", "slug": "new"}, headers=ada)
    assert answer.status_code == 200
    assert answer.json()["organization"] == {**made, "name": "New", "slug": "new"}
    assert server.request("GET", path, headers=ada).json() == answer.json()
    assert server.database.actions("org_id", made["id"])[-1] == "organization.updated"


@pytest.mark.parametrize("role", ["member", "billing"])
def test_403_to_a_caller_who_may_only_read(server: Server, role: str) -> None:
    org_id = server.database.add_organization()
    bob = person(server, **{org_id: role})
    for method, body in (("PATCH", {"name": "x"}), ("DELETE", None)):
        answer = server.request(method, f"/organizations/{org_id}", json=body, headers=bob)
        assert_error(answer, 403, "forbidden")
    assert server.request("GET", f"/organizations/{org_id}", headers=bob).status_code == (
        200 if role == "member" else 403
    )


def test_409_to_the_slug_of_another_organization(server: Server) -> None:
    ada = person(server)
    make(server, ada, slug="theirs")
    mine = make(server, ada).json()["organization"]
    path = f"/organizations/{mine['id']}"
    answer = server.request("PATCH", path, json={"slug": "theirs"}, headers=ada)
    assert_error(answer, 409, "conflict", "body/slug")
    same = server.request("PATCH", path, json={"slug": mine["slug"]}, headers=ada)
    assert same.status_code == 200


# Delete


def test_204_takes_its_keys_with_it_at_once(server: Server) -> None:
    ada = person(server)
    made = make(server, ada).json()["organization"]["id"]
    environment = {"name": "E", "slug": "e", "org_id": made}
    env = server.request("POST", "/environments", json=environment, headers=ada).json()
    body = {"name": "k", "org_id": made, "env_id": env["environment"]["id"]}
    key = server.request("POST", "/auth/api-keys", json=body, headers=ada).json()
    headers = {"X-API-Key": key["key"]}
    assert server.request("GET", "/auth/whoami", headers=headers).status_code == 200

    assert server.request("DELETE", f"/organizations/{made}", headers=ada).status_code == 204
    assert_error(server.request("GET", "/auth/whoami", headers=headers), 401, "unauthorized")
    again = server.request("DELETE", f"/organizations/{made}", headers=ada)
    assert_error(again, 404, "organization_not_found")
    assert server.database.actions("org_id", made) == [
        "organization.created",
        "environment.created",
        "api_key.created",
        "organization.deleted",
        "api_key.revoked",
        "organization.deletion_completed",
    ]


def test_403_to_an_admin(server: Server) -> None:
    org_id = server.database.add_organization()
    admin = person(server, **{org_id: "admin"})
    answer = server.request("DELETE", f"/organizations/{org_id}", headers=admin)
    assert_error(answer, 403, "forbidden")
    patched = server.request(
        "PATCH", f"/organizations/{org_id}", json={"name": "ok"}, headers=admin
    )
    assert patched.status_code == 200
