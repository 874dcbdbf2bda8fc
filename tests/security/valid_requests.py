"""For every operation of the document a request that succeeds, on things made for it."""

import http.client
import json
import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from support import Database, Server, Tenant

from hookstream_keys.contract import spec

OPERATIONS = {operation.id: operation for operation in spec.operations(spec.document())}

Headers = dict[str, str]


@dataclass(frozen=True)
class Answer:
    """What was answered."""

    status: int
    headers: http.client.HTTPMessage
    content: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 400

    def json(self) -> Any:
        return json.loads(self.content)


class Client:
    """One connection, kept: a client of httpx's for each of thousands of requests takes minutes."""

    def __init__(self, server: Server, source: str = "127.0.0.1") -> None:
        self._connection = http.client.HTTPConnection(
            *server.address, timeout=30, source_address=(source, 0)
        )

    def close(self) -> None:
        self._connection.close()

    def send(
        self, method: str, path: str, headers: Headers | None = None, content: bytes | None = None
    ) -> Answer:
        self._connection.request(method, f"/v1{path}", content, headers or {})
        answer = self._connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())

    def send_json(self, method: str, path: str, headers: Headers, body: Any) -> Answer:
        content = json.dumps(body).encode()
        return self.send(method, path, {"Content-Type": "application/json"} | headers, content)


class Watch:
    """Detects whether anything was stored since its last call."""

    def __init__(self, database: Database) -> None:
        self._connection = sqlite3.connect(database.path)

    def close(self) -> None:
        self._connection.close()

    def version(self) -> int:
        """A number that is another one after every change that was made elsewhere."""
        found: int = self._connection.execute("pragma data_version").fetchone()[0]
        return found


@dataclass
class ValidRequest:
    """A request that succeeds, once, with the owner's credential."""

    client: Client
    operation: spec.Operation
    path: str
    body: dict[str, Any] | None = None
    query: dict[str, Any] = field(default_factory=dict)

    def send(self, headers: Headers, content: bytes | None = None, **query: str) -> Answer:
        """Send it, or `content` in its place."""
        path = f"{self.path}?{urlencode(self.query | query)}"
        if content is None and self.body is not None:
            return self.client.send_json(self.operation.method, path, headers, self.body)
        return self.client.send(self.operation.method, path, headers, content)


class Maker:
    """Makes valid requests, and what they are about, as the owner of `tenant`."""

    def __init__(self, server: Server, tenant: Tenant) -> None:
        self.server = server
        self.client = Client(server)
        self.tenant = tenant
        self.owner = {"Authorization": f"Bearer {server.database.add_session(tenant.user_id)}"}

    def make(self, operation_id: str) -> ValidRequest:
        """A request for the operation."""
        operation = OPERATIONS[operation_id]
        parts = _PARTS[operation_id](self) if operation_id in _PARTS else {}
        path = operation.path
        for name in ("id", "rotation_id", "member_id", "asset"):
            if f"{{{name}}}" in path:
                path = path.replace(f"{{{name}}}", parts.pop(name))
        query = parts.pop("query", {})
        return ValidRequest(self.client, operation, path, parts or None, query)

    def in_org(self, **more: Any) -> dict[str, Any]:
        return {"org_id": self.tenant.org_id, **more}

    def key(self, **rules: Any) -> dict[str, Any]:
        """A new key, its secret included."""
        body = self.in_org(env_id=self.tenant.env_id, name="k", scopes="a:b")
        return self._post("/auth/api-keys", **body | rules)

    def rotation(self, **rules: Any) -> dict[str, Any]:
        """A key that is being rotated: its `id`, and the rotation."""
        key = self.key()
        path = f"/auth/api-keys/{key['id']}/rotations"
        return {"id": key["id"], **self._post(path, grace_period_seconds=60, **rules)}

    def email(self) -> str:
        """The address of a user who has signed up."""
        return f"{self.server.database.add_user()}@example.com"

    def member(self) -> dict[str, str]:
        path = f"/organizations/{self.tenant.org_id}/members"
        made = self._post(path, email=self.email(), role="member")
        return {"id": self.tenant.org_id, "member_id": made["member"]["id"]}

    def environment(self) -> str:
        made = self._post("/environments", **self.in_org(name="E", slug=secrets.token_hex(8)))
        environment: str = made["environment"]["id"]
        return environment

    def organization(self) -> str:
        organization: str = self._post("/organizations", name="Gone")["organization"]["id"]
        return organization

    def _post(self, path: str, **body: Any) -> dict[str, Any]:
        answer = self.client.send_json("POST", path, self.owner, body)
        assert answer.status == 201, answer.content
        made: dict[str, Any] = answer.json()
        return made


def _cancel(maker: Maker) -> dict[str, Any]:
    made = maker.rotation()
    return {"id": made["id"], "rotation_id": made["rotation"]["id"]}


def _new_user(_: Maker) -> dict[str, Any]:
    address = f"{secrets.token_hex(8)}@example.com"
    return {"name": "Ada", "email": address, "password": secrets.token_hex(8)}


#: What fills an operation's path, as `query` its query, and otherwise its body.
_PARTS: dict[str, Callable[[Maker], dict[str, Any]]] = {
    "createApiKey": lambda m: m.in_org(env_id=m.tenant.env_id, name="made"),
    "listApiKeys": lambda m: {"query": m.in_org()},
    "getApiKey": lambda m: {"id": m.key()["id"]},
    "updateApiKey": lambda m: {"id": m.key()["id"], "name": "changed"},
    "revokeApiKey": lambda m: {"id": m.key()["id"]},
    "rotateApiKey": lambda m: {"id": m.key()["id"], "grace_period_seconds": 60},
    "cancelRotation": _cancel,
    "revokeBySecret": lambda m: {"key": m.key()["key"]},
    "verifyApiKey": lambda m: {"key": m.key()["key"]},
    "verifyApiKeys": lambda m: {"requests": [{"key": m.key()["key"]}]},
    "signUpEmail": _new_user,
    "signInEmail": lambda m: {"email": m.tenant.email, "password": m.tenant.password},
    "createOrganization": lambda _: {"name": "Acme"},
    "getOrganization": lambda m: {"id": m.tenant.org_id},
    "updateOrganization": lambda m: {"id": m.tenant.org_id, "name": "Renamed"},
    "deleteOrganization": lambda m: {"id": m.organization()},
    "listMembers": lambda m: {"id": m.tenant.org_id},
    "addMember": lambda m: {"id": m.tenant.org_id, "email": m.email(), "role": "member"},
    "getMember": Maker.member,
    "updateMember": lambda m: {**m.member(), "role": "admin"},
    "removeMember": Maker.member,
    "listEnvironments": lambda m: {"query": m.in_org()},
    "createEnvironment": lambda m: m.in_org(name="E", slug=secrets.token_hex(8)),
    "getEnvironment": lambda m: {"id": m.environment()},
    "updateEnvironment": lambda m: {"id": m.environment(), "name": "Renamed"},
    "deleteEnvironment": lambda m: {"id": m.environment()},
    "listAuditLog": lambda m: {"query": m.in_org()},
    "getReferenceAsset": lambda _: {"asset": "init.js"},
    "getSwaggerUiAsset": lambda _: {"asset": "swagger-ui.css"},
}
