"""What is another tenant's answers as what never was: over every operation that takes an id.

The operations, and where each takes an id, are read from the document, so that a new
one is covered on the day that it is added, or makes this fail until it is said what it
needs to get as far as looking for the id.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from support import Server, Tenant, told

from hookstream_keys import spec

DOCUMENT = spec.document()

#: What a name of a path, a query or a body names, by that name; what `id` is, by the path.
KINDS = {"org_id": "org", "env_id": "env", "member_id": "member", "rotation_id": "rotation"}
PATHS = {"/organizations/": "org", "/environments/": "env", "/auth/api-keys/": "key"}

#: Names that end like an id and are none of a resource that could be another tenant's.
NO_IDS = {"external_id", "resource_id"}

#: A good body for each operation that takes an id and a body.
BODIES: dict[str, dict[str, Any]] = {
    "createApiKey": {"name": "Mine"},
    "updateApiKey": {"name": "Mine now"},
    "updateOrganization": {"name": "Mine now"},
    "addMember": {"email": "nobody@example.com", "role": "member"},
    "updateMember": {"role": "member"},
    "createEnvironment": {"name": "Mine", "slug": "mine"},
    "updateEnvironment": {"name": "Mine now"},
    "rotateApiKey": {"grace_period_seconds": 0},
    "verifyApiKey": {"key": "nonsense"},
}

#: Where a wrong id is no error, but finds nothing.
NOTHING_FOUND = {("verifyApiKey", "env_id")}


@dataclass(frozen=True)
class Slot:
    """One place where an operation takes an id."""

    operation: spec.Operation
    place: str
    name: str

    @property
    def kind(self) -> str:
        if self.name != "id":
            return KINDS[self.name]
        return PATHS[self.operation.path.partition("{id}")[0]]

    def __str__(self) -> str:
        return f"{self.operation.id}-{self.place}-{self.name}"


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        target: Any = DOCUMENT
        for name in node["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        node = target
    return node


def slots() -> Iterator[Slot]:
    for operation in spec.operations(DOCUMENT):
        item = DOCUMENT["paths"][operation.path]
        raw = item[operation.method.lower()]
        for name in re.findall(r"\{([^}]+)\}", operation.path):
            if operation.path != "/ui/{asset}":
                yield Slot(operation, "path", name)
        for parameter in map(resolved, raw.get("parameters", [])):
            if parameter["in"] == "query" and _is_id(parameter["name"]):
                yield Slot(operation, "query", parameter["name"])
        if operation.consumes:
            content = resolved(raw["requestBody"])["content"]["application/json"]
            for name in resolved(content["schema"]).get("properties", {}):
                if _is_id(name):
                    yield Slot(operation, "body", name)


def _is_id(name: str) -> bool:
    return name.endswith("id") and name not in NO_IDS


SLOTS = list(slots())


@pytest.fixture(scope="module")
def mine(server: Server, tenant: Tenant) -> dict[str, str]:
    """An id of each kind that the callers below may know of."""
    body = {"name": "Ours", "org_id": tenant.org_id, "env_id": tenant.env_id}
    headers = {"X-API-Key": tenant.key}
    key = server.request("POST", "/auth/api-keys", json=body, headers=headers).json()
    (member,) = server.database.execute(
        'select id from "member" where "userId" = ?', (tenant.user_id,)
    )
    return {
        "org": tenant.org_id,
        "env": tenant.env_id,
        "key": key["id"],
        "member": member[0],
        "rotation": rotation_of(server, key["id"], headers),
    }


def rotation_of(server: Server, key_id: str, headers: dict[str, str]) -> str:
    """The id of a new rotation of the key."""
    path = f"/auth/api-keys/{key_id}/rotations"
    answer = server.request("POST", path, json={"grace_period_seconds": 0}, headers=headers)
    return str(answer.json()["rotation"]["id"])


@pytest.fixture(scope="module")
def foreign(server: Server) -> dict[str, str]:
    """One of each kind that is another tenant's."""
    user = server.database.add_user()
    org = server.database.add_organization()
    env = server.database.add_environment(org)
    server.database.add_member(org, user, "owner")
    (member,) = server.database.execute('select id from "member" where "userId" = ?', (user,))
    headers = {"Authorization": f"Bearer {server.database.add_session(user)}"}
    body = {"name": "Theirs", "org_id": org, "env_id": env}
    key = server.request("POST", "/auth/api-keys", headers=headers, json=body).json()
    return {
        "org": org,
        "env": env,
        "key": key["id"],
        "member": member[0],
        "rotation": rotation_of(server, key["id"], headers),
    }


def test_there_are_places_of_every_kind() -> None:
    assert {slot.kind for slot in SLOTS} == {"org", "env", "key", "member", "rotation"}
    assert {slot.place for slot in SLOTS} == {"path", "query", "body"}
    assert len(SLOTS) > 20


def ask(
    server: Server, wrong: Slot, wanted: str, mine: dict[str, str], headers: dict[str, str]
) -> httpx.Response:
    """Do the operation with an id in one place, and the caller's own in the others."""
    operation = wrong.operation
    path = operation.path
    query: dict[str, str] = {}
    body = dict(BODIES[operation.id]) if operation.consumes else None
    for slot in (slot for slot in SLOTS if slot.operation == operation):
        value = wanted if slot == wrong else mine[slot.kind]
        if slot.place == "path":
            path = path.replace(f"{{{slot.name}}}", value)
        elif slot.place == "query":
            query[slot.name] = value
        elif body is not None:
            body[slot.name] = value
    more = {} if body is None else {"json": body}
    return server.request(operation.method, path, headers=headers, params=query, **more)


@pytest.mark.parametrize("slot", SLOTS, ids=str)
def test_404_what_is_another_tenants_is_as_what_never_was(
    server: Server, tenant: Tenant, mine: dict[str, str], foreign: dict[str, str], slot: Slot
) -> None:
    session = server.database.add_session(tenant.user_id)
    found = (slot.operation.id, slot.name) in NOTHING_FOUND
    for headers in (
        {"X-API-Key": tenant.key},
        {"Authorization": f"Bearer {tenant.key}"},
        {"Authorization": f"Bearer {session}"},
    ):
        shown = set()
        for wanted in (foreign[slot.kind], foreign[slot.kind][:-1] + "x", "never-was"):
            answer = ask(server, slot, wanted, mine, headers)
            is_key = not headers.get("Authorization", "").endswith(session)
            expected = {200} if found else {404, 403} if is_key else {404}
            assert answer.status_code in expected, answer.text
            shown.add(told(answer))
        assert len(shown) == 1, shown
