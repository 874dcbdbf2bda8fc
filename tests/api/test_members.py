"""/organizations/{id}/members and /organizations/{id}/members/{member_id}: every method."""

from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from support import Database, Server, Tenant, assert_error, serving

Headers = dict[str, str]


@dataclass(frozen=True)
class Person:
    user_id: str
    email: str
    headers: Headers


@dataclass(frozen=True)
class Organization:
    """One with an owner, an admin and a member, each by their role."""

    server: Server
    id: str
    people: dict[str, Person]

    def ask(self, who: str, method: str, path: str = "", **arguments: Any) -> httpx.Response:
        headers = self.people[who].headers
        return self.server.request(
            method, f"/organizations/{self.id}/members{path}", headers=headers, **arguments
        )

    def place(self, who: str) -> str:
        """The member id of a person."""
        rows = self.server.database.execute(
            'select id from "member" where "organizationId" = ? and "userId" = ?',
            (self.id, self.people[who].user_id),
        )
        return str(rows[0][0])

    def role(self, who: str) -> str | None:
        rows = self.server.database.execute(
            'select role from "member" where "organizationId" = ? and "userId" = ?',
            (self.id, self.people[who].user_id),
        )
        return rows[0][0] if rows else None

    def last_event(self) -> tuple[str, str]:
        rows = self.server.database.execute(
            "select action, user_id from audit_log where org_id = ? and action <> 'api_key.refused'"
            " order by seq desc limit 1",
            (self.id,),
        )
        return rows[0][0], rows[0][1]


def person(server: Server) -> Person:
    user = server.database.add_user()
    session = server.database.add_session(user)
    return Person(user, f"{user}@example.com", {"Authorization": f"Bearer {session}"})


@pytest.fixture
def organization(server: Server) -> Organization:
    org_id = server.database.add_organization()
    people = {role: person(server) for role in ("owner", "admin", "member")}
    for role, who in people.items():
        server.database.add_member(org_id, who.user_id, role)
    return Organization(server, org_id, {**people, "outsider": person(server)})


def add(organization: Organization, by: str, role: str, **changes: str) -> httpx.Response:
    body = {"email": organization.people["outsider"].email, "role": role, **changes}
    return organization.ask(by, "POST", json=body)


def test_200_every_member_sees_the_members(organization: Organization) -> None:
    for role in ("owner", "admin", "member"):
        answer = organization.ask(role, "GET")
        assert answer.status_code == 200
        found = {each["user_id"]: each for each in answer.json()["members"]}
        assert {each["role"] for each in found.values()} == {"owner", "admin", "member"}
        me = found[organization.people[role].user_id]
        assert me["email"] == organization.people[role].email
        shown = organization.ask(role, "GET", f"/{me['id']}").json()
        assert shown == {"member": me}


def test_200_pages_are_whole(organization: Organization) -> None:
    first = organization.ask("owner", "GET", params={"limit": 2}).json()
    assert (len(first["members"]), first["has_more"]) == (2, True)
    rest = organization.ask("owner", "GET", params={"cursor": first["cursor"]}).json()
    assert (len(rest["members"]), rest["has_more"], rest["cursor"]) == (1, False, None)
    assert len({each["id"] for each in first["members"] + rest["members"]}) == 3


def test_201_an_admin_adds_a_user_who_has_signed_up(organization: Organization) -> None:
    email = organization.people["outsider"].email.upper()
    answer = add(organization, "admin", "member", email=email)
    assert answer.status_code == 201, answer.text
    made = answer.json()["member"]
    assert (made["user_id"], made["role"]) == (
        organization.people["outsider"].user_id,
        "member",
    )
    assert organization.ask("outsider", "GET", f"/{made['id']}").json() == {"member": made}
    assert organization.last_event() == ("member.added", organization.people["admin"].user_id)


@pytest.mark.parametrize(
    ("changes", "location"),
    [
        ({"email": "x"}, "body/email"),
        ({"email": "a@b"}, "body/email"),
        ({"email": ".a@example.com"}, "body/email"),
        ({"email": "a b@example.com"}, "body/email"),
        ({"role": "Owner"}, "body/role"),
        ({"role": "admin,owner"}, "body/role"),
    ],
)
def test_400_to_invalid_requests(
    organization: Organization, changes: dict[str, str], location: str
) -> None:
    answer = add(organization, "owner", **{"role": "member", **changes})
    assert_error(answer, 400, "bad_request", location)


def unverify(server: Server, user_id: str) -> None:
    server.database.execute('update "user" set "emailVerified" = false where id = ?', (user_id,))


def test_409_to_an_address_that_is_not_verified(organization: Organization) -> None:
    unverify(organization.server, organization.people["outsider"].user_id)
    before = organization.ask("owner", "GET").json()
    for by in ("owner", "admin"):
        answer = add(organization, by, "member")
        error = assert_error(answer, 409, "email_not_verified", "body/email")
        assert "verify it at better-auth" in error["error"]
    assert organization.ask("owner", "GET").json() == before
    # A caller who may not add members does not learn it.
    assert_error(add(organization, "member", "member"), 403, "forbidden")
    organization.server.database.execute(
        'update "user" set "emailVerified" = true where id = ?',
        (organization.people["outsider"].user_id,),
    )
    assert add(organization, "admin", "member").status_code == 201


def test_201_an_unverified_user_where_the_setting_allows_it(database: Database) -> None:
    tenant = database.init()
    with serving(
        database, HOOKSTREAM_SIGN_UP="open", HOOKSTREAM_ADD_UNVERIFIED_MEMBERS="on"
    ) as server:
        up = {"name": "Ada", "email": "ada@example.com", "password": "correct horse"}
        assert server.request("POST", "/auth/sign-up/email", json=up).status_code == 200
        answer = server.request(
            "POST",
            f"/organizations/{tenant.org_id}/members",
            json={"email": up["email"], "role": "member"},
            headers={"Authorization": f"Bearer {database.add_session(tenant.user_id)}"},
        )
        assert answer.status_code == 201


@pytest.mark.parametrize(
    ("by", "role", "status"),
    [
        ("owner", "owner", 201),
        ("owner", "admin", 201),
        ("admin", "owner", 403),
        ("admin", "admin", 201),
        ("member", "member", 403),
        ("outsider", "member", 404),
    ],
)
def test_which_role_may_add_which(
    organization: Organization, by: str, role: str, status: int
) -> None:
    answer = add(organization, by, role)
    assert answer.status_code == status, answer.text
    assert organization.role("outsider") == (role if status == 201 else None)


def test_403_to_a_key(server: Server, tenant: Tenant) -> None:
    path = f"/organizations/{tenant.org_id}/members"
    key = {"X-API-Key": tenant.key}
    assert_error(server.request("GET", path, headers=key), 403, "forbidden")
    body = {"email": "x@example.com", "role": "owner"}
    assert_error(server.request("POST", path, headers=key, json=body), 403, "forbidden")


def test_404_to_an_address_that_has_not_signed_up(organization: Organization) -> None:
    answer = add(organization, "owner", "member", email="unknown@example.com")
    assert_error(answer, 404, "user_not_found", "body/email")


def test_404_to_another_organization_s_member(server: Server, organization: Organization) -> None:
    other = server.database.add_organization()
    server.database.add_member(other, person(server).user_id, "owner")
    (row,) = server.database.execute('select id from "member" where "organizationId" = ?', (other,))
    for method, body in (("GET", None), ("PATCH", {"role": "member"}), ("DELETE", None)):
        answer = organization.ask("owner", method, f"/{row[0]}", json=body)
        assert_error(answer, 404, "member_not_found")


def test_409_to_a_user_who_is_already_a_member(organization: Organization) -> None:
    answer = add(organization, "owner", "owner", email=organization.people["member"].email)
    assert_error(answer, 409, "conflict", "body/email")
    assert organization.role("member") == "member"


@pytest.mark.parametrize(
    ("by", "target", "role", "status"),
    [
        ("owner", "member", "owner", 200),
        ("owner", "admin", "member", 200),
        ("admin", "member", "admin", 200),
        ("admin", "member", "owner", 403),
        ("admin", "owner", "member", 403),
        ("admin", "admin", "member", 200),
        ("member", "member", "admin", 403),
        ("member", "admin", "member", 403),
        ("outsider", "member", "member", 404),
    ],
)
def test_which_role_may_change_which(
    organization: Organization, by: str, target: str, role: str, status: int
) -> None:
    path = f"/{organization.place(target)}"
    answer = organization.ask(by, "PATCH", path, json={"role": role})
    assert answer.status_code == status, answer.text
    assert organization.role(target) == (role if status == 200 else target)
    if status == 200:
        assert answer.json()["member"]["role"] == role
        assert organization.last_event() == ("member.updated", organization.people[by].user_id)


@pytest.mark.parametrize(
    ("by", "target", "status"),
    [
        ("owner", "member", 200),
        ("owner", "admin", 200),
        ("admin", "member", 200),
        ("admin", "owner", 403),
        ("admin", "admin", 200),
        ("member", "admin", 403),
        ("member", "member", 200),
        ("outsider", "member", 404),
    ],
)
def test_which_role_may_remove_which(
    organization: Organization, by: str, target: str, status: int
) -> None:
    answer = organization.ask(by, "DELETE", f"/{organization.place(target)}")
    assert answer.status_code == status, answer.text
    assert organization.role(target) == (None if status == 200 else target)


def test_200_a_removed_member_loses_all_access_at_once(organization: Organization) -> None:
    assert organization.ask("admin", "GET").status_code == 200
    organization.ask("owner", "DELETE", f"/{organization.place('admin')}")
    assert organization.last_event() == ("member.removed", organization.people["owner"].user_id)
    assert_error(organization.ask("admin", "GET"), 404, "organization_not_found")


def test_200_the_keys_that_they_created_stay_valid(organization: Organization) -> None:
    server = organization.server
    env = server.database.add_environment(organization.id)
    body = {"name": "k", "org_id": organization.id, "env_id": env}
    headers = organization.people["admin"].headers
    created = server.request("POST", "/auth/api-keys", json=body, headers=headers).json()
    removed = organization.ask("owner", "DELETE", f"/{organization.place('admin')}")
    assert removed.status_code == 200
    key = {"X-API-Key": created["key"]}
    assert server.request("GET", "/auth/whoami", headers=key).status_code == 200


def test_409_to_the_last_owner(organization: Organization) -> None:
    path = f"/{organization.place('owner')}"
    assert_error(organization.ask("owner", "DELETE", path), 409, "conflict")
    answer = organization.ask("owner", "PATCH", path, json={"role": "admin"})
    assert_error(answer, 409, "conflict")
    organization.ask("owner", "PATCH", f"/{organization.place('admin')}", json={"role": "owner"})
    assert organization.ask("owner", "DELETE", path).status_code == 200
