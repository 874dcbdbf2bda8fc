"""The table of rights in the document is what the running server goes by."""

import re
from typing import Any

import pytest
from api.test_isolation import BODIES, DOCUMENT, SLOTS, ask, rotation_of
from support import Server, Tenant

from hookstream_keys import spec

ASKING = [
    operation for operation in spec.operations(DOCUMENT) if operation.required_scope is not None
]

#: Who has the right, by its scope. A member has it where she made the key that it is about.
EXPECTED = {
    "owner": {"*"},
    "admin": {
        "api-keys:create", "api-keys:read", "api-keys:update", "api-keys:revoke", "api-keys:verify",
        "api-keys:rotate", "audit-log:read", "environments:create", "environments:read",
        "environments:update",
        "environments:delete", "members:create", "members:read", "members:update",
        "members:delete", "organizations:read", "organizations:update",
    },
    "member": {
        "api-keys:create", "api-keys:read", "api-keys:verify", "environments:read",
        "members:read", "organizations:read",
    },
}  # fmt: skip


@pytest.mark.parametrize("role", EXPECTED)
@pytest.mark.parametrize("operation", ASKING, ids=lambda operation: operation.id)
def test_a_role_may_do_what_the_table_says(
    server: Server, tenant: Tenant, operation: spec.Operation, role: str
) -> None:
    org = server.database.add_organization()
    env = server.database.add_environment(org)
    owner, user, other = (server.database.add_user() for _ in range(3))
    server.database.add_member(org, owner, "owner")
    server.database.add_member(org, user, role)
    server.database.add_member(org, other, "member")
    (member,) = server.database.execute('select id from "member" where "userId" = ?', (other,))
    body = {"name": "k", "org_id": org, "env_id": env}
    by_owner = {"Authorization": f"Bearer {server.database.add_session(owner)}"}
    key = server.request("POST", "/auth/api-keys", json=body, headers=by_owner).json()
    mine = {
        "org": org,
        "env": env,
        "key": key["id"],
        "member": member[0],
        "rotation": rotation_of(server, key["id"], by_owner),
    }
    headers = {"Authorization": f"Bearer {server.database.add_session(user)}"}

    answer = _do(server, operation, mine, headers, key["key"])
    allowed = EXPECTED[role] & {"*", operation.required_scope}
    if operation.id in ("verifyApiKey", "verifyApiKeys"):
        code = (answer.json()["results"][0] if "results" in answer.text else answer.json())["code"]
        assert code == ("VALID" if allowed else "NOT_FOUND")
    elif operation.id == "addMember" and allowed:
        assert answer.json()["code"] == "user_not_found"
    else:
        assert answer.is_success is bool(allowed), answer.text
        assert answer.is_success or answer.status_code == 403, answer.text


def _do(
    server: Server,
    operation: spec.Operation,
    mine: dict[str, str],
    headers: dict[str, str],
    key: str,
) -> Any:
    slots = [slot for slot in SLOTS if slot.operation == operation]
    if operation.id == "verifyApiKey":
        body: dict[str, Any] = {"key": key, "env_id": mine["env"]}
        return server.request(operation.method, operation.path, json=body, headers=headers)
    if operation.id == "verifyApiKeys":
        body = {"requests": [{"key": key}]}
        return server.request(operation.method, operation.path, json=body, headers=headers)
    if not slots:
        return server.request(operation.method, operation.path, headers=headers)
    return ask(server, slots[0], mine[slots[0].kind], mine, headers)


@pytest.mark.parametrize("operation", ASKING, ids=lambda operation: operation.id)
def test_403_to_a_key_whose_scopes_do_not_cover_it(
    server: Server, tenant: Tenant, operation: spec.Operation
) -> None:
    headers = {"X-API-Key": tenant.key}
    body = {"name": "k", "org_id": tenant.org_id, "env_id": tenant.env_id, "scopes": "events:*"}
    narrow = server.request("POST", "/auth/api-keys", json=body, headers=headers).json()
    (member,) = server.database.execute(
        'select id from "member" where "userId" = ?', (tenant.user_id,)
    )
    mine = {
        "org": tenant.org_id,
        "env": tenant.env_id,
        "key": narrow["id"],
        "member": member[0],
        "rotation": "rot_0",
    }
    answer = _do(server, operation, mine, {"X-API-Key": narrow["key"]}, narrow["key"])
    assert answer.status_code == 403, answer.text
    assert answer.json()["code"] in ("insufficient_scope", "forbidden")


def test_every_operation_that_asks_for_nothing_is_known() -> None:
    free = {
        operation.id
        for operation in spec.operations(DOCUMENT)
        if operation.secured and operation.required_scope is None
    }
    assert free == {"authorize", "whoami", "createOrganization", "getSession", "signOut"}


def test_every_scope_that_is_asked_for_is_one() -> None:
    for operation in ASKING:
        assert re.fullmatch(r"[a-z-]+:[a-z]+", operation.required_scope or "")
    assert BODIES
