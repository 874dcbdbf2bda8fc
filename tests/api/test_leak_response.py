"""The response to a leak: revoking the keys that a key or a member created."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from support import Server, Tenant, assert_error

Headers = dict[str, str]
Create = Callable[..., httpx.Response]


class Family:
    """A key, the keys that it created, and their descendants."""

    def __init__(self, create: Create, owner: Headers) -> None:
        self.root = create(headers=owner).json()
        self.children = [create(headers=_by(self.root)).json() for _ in range(2)]
        self.grandchildren = [create(headers=_by(each)).json() for each in self.children]
        self.other = create(headers=owner).json()

    @property
    def descendants(self) -> list[dict[str, Any]]:
        return [*self.children, *self.grandchildren]


def _by(key: dict[str, Any]) -> Headers:
    return {"X-API-Key": key["key"]}


@pytest.fixture
def family(create: Create, owner: Headers) -> Family:
    return Family(create, owner)


def shown(server: Server, owner: Headers, key: dict[str, Any]) -> dict[str, Any]:
    path = f"/auth/api-keys/{key['id']}"
    answer: dict[str, Any] = server.request("GET", path, headers=owner).json()["api_key"]
    return answer


def revoke(
    server: Server, headers: Headers, key: dict[str, Any], **parameters: str
) -> httpx.Response:
    path = f"/auth/api-keys/{key['id']}"
    return server.request("DELETE", path, headers=headers, params=parameters)


def test_204_without_descendants_the_keys_that_the_key_created_stay(
    server: Server, owner: Headers, family: Family
) -> None:
    answer = revoke(server, owner, family.root)
    assert (answer.status_code, answer.headers["x-revoked-keys"]) == (204, "1")
    assert {shown(server, owner, each)["state"] for each in family.descendants} == {"active"}
    again = revoke(server, owner, family.root)
    assert (again.status_code, again.headers["x-revoked-keys"]) == (204, "0")


def test_204_descendants_are_revoked_with_the_key_and_recorded(
    server: Server, owner: Headers, tenant: Tenant, family: Family
) -> None:
    answer = revoke(server, owner, family.root, descendants="true", reason="keyCompromise")
    assert (answer.status_code, answer.headers["x-revoked-keys"]) == (204, "5")
    for each in family.descendants:
        found = shown(server, owner, each)
        assert (found["state"], found["revocation_reason"]) == ("revoked", "keyCompromise")
        assert server.request("GET", "/auth/whoami", headers=_by(each)).status_code == 401
        (event,) = server.request(
            "GET",
            "/audit-log",
            params={"resource_id": each["id"], "action": "api_key.revoked"},
            headers=owner,
        ).json()["audit_log"]
        assert event["details"]["revoked_with"] == family.root["id"]
        assert event["request_id"] == answer.headers["x-request-id"]
    assert shown(server, owner, family.other)["state"] == "active"


def test_204_descendants_behind_a_revoked_key_are_found(
    server: Server, owner: Headers, family: Family
) -> None:
    for each in (family.root, *family.children):
        revoke(server, owner, each)
    answer = revoke(server, owner, family.root, descendants="true")
    assert answer.headers["x-revoked-keys"] == "2"
    assert {shown(server, owner, each)["state"] for each in family.descendants} == {"revoked"}


def test_204_a_creator_revokes_keys_that_their_key_created(
    server: Server, create: Create, tenant: Tenant
) -> None:
    """It is the right to the key that counts: what it made came of it."""
    user = server.database.add_user()
    server.database.add_member(tenant.org_id, user, "member")
    member = {"Authorization": f"Bearer {server.database.add_session(user)}"}
    root = create(headers=member).json()
    create(headers=_by(root))
    answer = revoke(server, member, root, descendants="true")
    assert answer.headers["x-revoked-keys"] == "2"


def test_400_descendants_is_a_boolean(server: Server, owner: Headers, family: Family) -> None:
    answer = revoke(server, owner, family.root, descendants="yes")
    assert_error(answer, 400, "bad_request", "query/descendants")
    assert shown(server, owner, family.root)["state"] == "active"


# Rotations


def rotate(server: Server, headers: Headers, key: dict[str, Any], **body: Any) -> dict[str, Any]:
    path = f"/auth/api-keys/{key['id']}/rotations"
    wanted = {"grace_period_seconds": 3600, **body}
    answer = server.request("POST", path, headers=headers, json=wanted)
    assert answer.status_code == 201, answer.text
    rotated: dict[str, Any] = answer.json()
    return rotated


def is_accepted(server: Server, secret: str) -> bool:
    answer = server.request("GET", "/auth/whoami", headers={"X-API-Key": secret})
    return answer.status_code == 200


def rotated_by(server: Server, owner: Headers, tenant: Tenant, by: str) -> set[str]:
    wanted = {"org_id": tenant.org_id, "rotated_by": by}
    answer = server.request("GET", "/auth/api-keys", headers=owner, params=wanted)
    return {each["id"] for each in answer.json()["api_keys"]}


def test_204_pending_rotations_by_the_key_and_its_descendants_are_cancelled(
    server: Server, owner: Headers, tenant: Tenant, family: Family, create: Create
) -> None:
    another = create(headers=owner).json()
    secrets = [
        rotate(server, _by(family.root), family.other)["key"],
        rotate(server, _by(family.grandchildren[0]), another)["key"],
    ]
    own = rotate(server, owner, create(headers=owner).json())["key"]
    held = rotated_by(server, owner, tenant, family.root["id"])
    assert held == {family.other["id"], another["id"]}
    answer = revoke(server, owner, family.root, descendants="true")
    assert answer.headers["x-rotated-keys"] == "0"
    assert [is_accepted(server, each) for each in secrets] == [False, False]
    assert [is_accepted(server, each["key"]) for each in (family.other, another)] == [True, True]
    assert is_accepted(server, own)
    assert rotated_by(server, owner, tenant, family.root["id"]) == set()
    (event,) = server.request(
        "GET",
        "/audit-log",
        params={"resource_id": another["id"], "action": "api_key.rotation_cancelled"},
        headers=owner,
    ).json()["audit_log"]
    assert event["details"]["cancelled_with"] == family.root["id"]


def test_204_without_descendants_no_rotation_is_cancelled(
    server: Server, owner: Headers, family: Family
) -> None:
    secret = rotate(server, _by(family.root), family.other)["key"]
    answer = revoke(server, owner, family.root)
    assert "x-rotated-keys" not in answer.headers
    assert is_accepted(server, secret)


def test_204_keys_whose_secret_was_rotated_and_used_are_counted_until_it_is_replaced(
    server: Server, owner: Headers, tenant: Tenant, family: Family
) -> None:
    child, other = family.children[0], family.other
    assert is_accepted(server, rotate(server, _by(child), other)["key"])
    answer = revoke(server, owner, family.root, descendants="true")
    assert answer.headers["x-rotated-keys"] == "1"
    assert rotated_by(server, owner, tenant, family.root["id"]) == {other["id"]}
    assert rotated_by(server, owner, tenant, child["id"]) == {other["id"]}
    # While the replaced secret has its grace, it is still one of theirs.
    assert is_accepted(server, rotate(server, owner, other, grace_period_seconds=3600)["key"])
    assert rotated_by(server, owner, tenant, child["id"]) == {other["id"]}
    assert is_accepted(server, rotate(server, owner, other, grace_period_seconds=0)["key"])
    # After two activations none of their secrets is the key's own; the grace period continues.
    assert rotated_by(server, owner, tenant, child["id"]) == {other["id"]}
    assert revoke(server, owner, other).status_code == 204
    assert rotated_by(server, owner, tenant, child["id"]) == set()


def test_204_a_rotation_without_a_grace_period_replaces_a_leaked_secret(
    server: Server, owner: Headers, tenant: Tenant, family: Family
) -> None:
    leaked = rotate(server, _by(family.root), family.other)["key"]
    assert is_accepted(server, leaked)
    new = rotate(server, owner, family.other, grace_period_seconds=0)["key"]
    assert rotated_by(server, owner, tenant, family.root["id"]) == {family.other["id"]}
    assert is_accepted(server, new)
    assert not is_accepted(server, leaked)
    assert rotated_by(server, owner, tenant, family.root["id"]) == set()
    answer = revoke(server, owner, family.root, descendants="true")
    assert answer.headers["x-rotated-keys"] == "0"


# Members


class Member:
    """An admin of the first organization, with a key for each of their roles, and one of theirs."""

    def __init__(self, server: Server, tenant: Tenant, create: Create, owner: Headers) -> None:
        database = server.database
        self.server, self.owner = server, owner
        user = database.add_user()
        database.add_member(tenant.org_id, user, "admin")
        self.user = user
        self.session = {"Authorization": f"Bearer {database.add_session(user)}"}
        self.as_admin = create(headers=self.session).json()
        self.child = create(headers=_by(self.as_admin)).json()
        self.as_member = create(headers=self.session, role="member").json()
        self.path = f"/organizations/{tenant.org_id}/members/" + str(
            database.execute('select id from "member" where "userId" = ?', (user,))[0][0]
        )

    def states(self) -> list[str]:
        keys = (self.as_admin, self.child, self.as_member)
        return [shown(self.server, self.owner, each)["state"] for each in keys]

    def demote(self, **parameters: str) -> Any:
        answer = self.server.request(
            "PATCH", self.path, headers=self.owner, params=parameters, json={"role": "member"}
        )
        assert answer.status_code == 200, answer.text
        return answer.json()["api_keys"]

    def remove(self, **parameters: str) -> Any:
        answer = self.server.request("DELETE", self.path, headers=self.owner, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()["api_keys"]


@pytest.fixture
def admin(server: Server, tenant: Tenant, create: Create, owner: Headers) -> Member:
    return Member(server, tenant, create, owner)


def test_200_a_demotion_counts_the_keys_that_the_role_does_not_cover(admin: Member) -> None:
    assert admin.demote() == {"not_covered": 2, "revoked": 0, "rotated": 0}
    assert admin.states() == ["active"] * 3


def test_200_a_demotion_revokes_the_keys_that_the_role_does_not_cover(admin: Member) -> None:
    assert admin.demote(api_keys="revoke") == {"not_covered": 2, "revoked": 2, "rotated": 0}
    assert admin.states() == ["revoked", "revoked", "active"]
    found = shown(admin.server, admin.owner, admin.child)
    assert found["revocation_reason"] == "privilegeWithdrawn"


def test_200_a_removal_counts_all_keys_that_the_member_created(admin: Member) -> None:
    assert admin.remove(api_keys="keep") == {"not_covered": 3, "revoked": 0, "rotated": 0}
    assert admin.states() == ["active"] * 3


def test_200_a_removal_revokes_all_keys_that_the_member_created(admin: Member) -> None:
    assert admin.remove(api_keys="revoke") == {"not_covered": 3, "revoked": 3, "rotated": 0}
    assert admin.states() == ["revoked"] * 3
    found = shown(admin.server, admin.owner, admin.as_member)
    assert found["revocation_reason"] == "affiliationChanged"


def test_200_what_a_member_rotated_is_counted_and_cancelled_on_request(
    admin: Member, server: Server, tenant: Tenant, create: Create, owner: Headers
) -> None:
    pending, used, of_a_member, of_owner = (
        create(headers=owner, role=role).json() for role in ("admin", "admin", "member", "owner")
    )
    secrets = [rotate(server, admin.session, key)["key"] for key in (pending, used, of_a_member)]
    assert is_accepted(server, secrets[1])
    assert admin.demote() == {"not_covered": 2, "revoked": 0, "rotated": 2}
    assert admin.demote(api_keys="revoke") == {"not_covered": 2, "revoked": 2, "rotated": 1}
    assert rotated_by(server, owner, tenant, admin.user) == {used["id"], of_a_member["id"]}
    # The role of a member still covers this one.
    assert [is_accepted(server, each) for each in secrets] == [False, True, True]
    assert admin.remove(api_keys="revoke") == {"not_covered": 1, "revoked": 1, "rotated": 2}
    assert is_accepted(server, of_owner["key"])


def test_200_keys_of_another_organization_stay(
    admin: Member, server: Server, create: Create
) -> None:
    database = server.database
    ((user,),) = database.execute(
        'select "userId" from "member" where id = ?', (admin.path.rpartition("/")[2],)
    )
    org = database.add_organization()
    database.add_member(org, user, "owner")
    session = {"Authorization": f"Bearer {database.add_session(user)}"}
    env = database.add_environment(org)
    elsewhere = create(headers=session, org_id=org, env_id=env).json()
    assert admin.remove(api_keys="revoke")["revoked"] == 3
    assert shown(server, session, elsewhere)["state"] == "active"


def test_200_a_member_who_leaves_may_revoke_their_keys(
    server: Server, tenant: Tenant, create: Create, owner: Headers
) -> None:
    database = server.database
    user = database.add_user()
    database.add_member(tenant.org_id, user, "member")
    session = {"Authorization": f"Bearer {database.add_session(user)}"}
    key = create(headers=session).json()
    ((member,),) = database.execute('select id from "member" where "userId" = ?', (user,))
    path = f"/organizations/{tenant.org_id}/members/{member}"
    answer = server.request("DELETE", path, headers=session, params={"api_keys": "revoke"})
    assert answer.json()["api_keys"] == {"not_covered": 1, "revoked": 1, "rotated": 0}
    assert shown(server, owner, key)["state"] == "revoked"


def test_400_to_an_unknown_value_of_keys(admin: Member) -> None:
    answer = admin.server.request(
        "DELETE", admin.path, headers=admin.owner, params={"api_keys": "delete"}
    )
    assert_error(answer, 400, "bad_request", "query/api_keys")
