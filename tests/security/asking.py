"""A valid request for every operation, and the places where it takes an id.

The operations, and where each takes an id, are read from the document, so that a new
one is covered on the day that it is added, or makes a test fail until it is said what it
needs to get as far as looking for the id.
"""

import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from hookstream_keys.contract import spec

DOCUMENT = spec.document()
OPERATIONS = {operation.id: operation for operation in spec.operations(DOCUMENT)}

#: What a name of a path, a query or a body names, by that name; what `id` is, by the path.
KINDS = {"org_id": "org", "env_id": "env", "member_id": "member", "rotation_id": "rotation"}
PATHS = {"/organizations/": "org", "/environments/": "env", "/auth/api-keys/": "key"}

#: Names that end like an id and are none of a resource that could be another tenant's.
NO_IDS = {"external_id", "resource_id"}

#: The parameter that names a file of a page, and a file of each.
ASSET = ("{asset}", "init.js")

#: A valid body for each operation that takes one, but for ids and secrets.
BODIES: dict[str, dict[str, Any]] = {
    "createApiKey": {"name": "Mine"},
    "updateApiKey": {"name": "Mine now"},
    "rotateApiKey": {"grace_period_seconds": 0},
    "revokeBySecret": {},
    "verifyApiKey": {},
    "verifyApiKeys": {},
    "signUpEmail": {"name": "Eve", "email": "eve@example.com", "password": "as long as can be"},
    "signInEmail": {"email": "unknown@example.com", "password": "as long as can be"},
    "signOut": {},
    "createOrganization": {"name": "Mine"},
    "updateOrganization": {"name": "Mine now"},
    "addMember": {"email": "unknown@example.com", "role": "member"},
    "updateMember": {"role": "member"},
    "createEnvironment": {"name": "Mine", "slug": "mine"},
    "updateEnvironment": {"name": "Mine now"},
}


@dataclass(frozen=True)
class Slot:
    """One place where an operation takes an id."""

    operation: spec.Operation
    place: str
    name: str

    @property
    def kind(self) -> str:
        """What is named there: `org`, `env`, `key`, `member` or `rotation`."""
        if self.name != "id":
            return KINDS[self.name]
        return PATHS[self.operation.path.partition("{id}")[0]]

    def __str__(self) -> str:
        return f"{self.operation.id}-{self.place}-{self.name}"


@dataclass(frozen=True)
class Asked:
    """A request, but for who sends it."""

    method: str
    path: str
    params: dict[str, str] = field(default_factory=dict)
    json: dict[str, Any] | None = None

    @property
    def target(self) -> str:
        """The path with the query."""
        return f"{self.path}?{urlencode(self.params)}" if self.params else self.path

    def arguments(self) -> dict[str, Any]:
        """What httpx takes besides the method and the address."""
        body = {} if self.json is None else {"json": self.json}
        return {"params": self.params, **body}


def asked(
    operation: spec.Operation, chosen: Callable[[Slot], str], **more: dict[str, Any]
) -> Asked:
    """A request for the operation with the id that is `chosen` for each place.

    `more` has for some operations what their body is to have besides.
    """
    path = operation.path.replace(*ASSET)
    params: dict[str, str] = {}
    body = {**BODIES[operation.id], **more.get(operation.id, {})} if operation.consumes else None
    for slot in SLOTS_OF[operation.id]:
        if slot.place == "path":
            path = path.replace(f"{{{slot.name}}}", chosen(slot))
        elif slot.place == "query":
            params[slot.name] = chosen(slot)
        elif body is not None:
            body[slot.name] = chosen(slot)
    if "slug" in (body or {}):
        body = {**(body or {}), "slug": f"mine-{secrets.token_hex(4)}"}
    return Asked(operation.method, path, params, body)


def _slots() -> Iterator[Slot]:
    for operation in OPERATIONS.values():
        for name in re.findall(r"\{([^}]+)\}", operation.path.replace(*ASSET)):
            yield Slot(operation, "path", name)
        for parameter in spec.parameters(DOCUMENT, operation.id):
            if parameter["in"] == "query" and _is_id(parameter["name"]):
                yield Slot(operation, "query", parameter["name"])
        if operation.consumes:
            for name in spec.request_schema(DOCUMENT, operation.id).get("properties", {}):
                if _is_id(name):
                    yield Slot(operation, "body", name)


def _is_id(name: str) -> bool:
    return name.endswith("id") and name not in NO_IDS


SLOTS = list(_slots())
SLOTS_OF = {name: [slot for slot in SLOTS if slot.operation.id == name] for name in OPERATIONS}
