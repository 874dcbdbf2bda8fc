"""Idempotent requests: every operation that creates, with an Idempotency-Key."""

import secrets
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from support import Database, Server, Tenant, assert_error, iso, serving, until

from hookstream_keys.contract import spec

pytestmark = pytest.mark.server(workers=3)

OPERATIONS = [operation for operation in spec.operations(spec.document()) if operation.idempotent]

#: A valid body for each, where one is not enough by itself.
BODIES: dict[str, dict[str, Any]] = {
    "createApiKey": {"name": "k", "org_id": "ORG", "env_id": "ENV"},
    "rotateApiKey": {"grace_period_seconds": 60},
    "createOrganization": {"name": "Acme"},
    "addMember": {"email": "EMAIL", "role": "member"},
    "createEnvironment": {"name": "E", "slug": "SLUG", "org_id": "ORG"},
}

#: What each makes rows of.
TABLES = {
    "createApiKey": "api_key",
    "rotateApiKey": "rotation",
    "createOrganization": "organization",
    "addMember": '"member"',
    "createEnvironment": "environment",
}


class Request:
    """A request that creates, to be sent as often as one likes."""

    def __init__(self, server: Server, tenant: Tenant, operation: spec.Operation) -> None:
        self.server = server
        self.operation = operation
        self.key = str(uuid.uuid4())
        words = {
            "ORG": tenant.org_id,
            "ENV": tenant.env_id,
            "SLUG": secrets.token_hex(4),
            "EMAIL": f"{server.database.add_user()}@example.com",
        }
        self.body = {name: words.get(v, v) for name, v in BODIES[operation.id].items()}
        key_id = server.database.execute("select id from api_key")[0][0]
        ids = {"/organizations/": tenant.org_id, "/auth/api-keys/": key_id}
        self.path = operation.path
        if "{id}" in self.path:
            self.path = self.path.replace("{id}", ids[self.path.partition("{id}")[0]])

    def send(self, headers: dict[str, str], key: str | None = None, **changes: Any) -> Any:
        return self.server.request(
            "POST",
            self.path,
            json={**self.body, **changes},
            headers={**headers, "Idempotency-Key": key or self.key},
        )

    def rows(self) -> int:
        return self.server.database.count(TABLES[self.operation.id])


@pytest.fixture(params=OPERATIONS, ids=lambda operation: operation.id)
def request_once(request: pytest.FixtureRequest, server: Server, tenant: Tenant) -> Request:
    return Request(server, tenant, request.param)


def create_once(server: Server, tenant: Tenant) -> Request:
    (operation,) = (each for each in OPERATIONS if each.id == "createApiKey")
    return Request(server, tenant, operation)


def same(answers: list[httpx.Response]) -> bool:
    return len({(answer.status_code, answer.text) for answer in answers}) == 1


def test_every_creating_operation_is_idempotent() -> None:
    creating = {
        operation["operationId"]
        for item in spec.document()["paths"].values()
        for operation in (item[method] for method in spec.METHODS if method in item)
        if "201" in operation["responses"]
    }
    assert {operation.id for operation in OPERATIONS} == creating
    assert creating == set(BODIES)


def test_201_the_same_again(request_once: Request, owner: dict[str, str]) -> None:
    before = request_once.rows()
    events = request_once.server.database.count_changes()
    answers = [request_once.send(owner) for _ in range(6)]
    assert answers[0].status_code == 201, answers[0].text
    assert same(answers)
    assert request_once.rows() == before + 1
    assert request_once.server.database.count_changes() == events + 1
    replayed = [answer.headers.get("idempotency-replayed") for answer in answers]
    assert replayed == [None] + ["true"] * 5
    cached = {answer.headers.get("cache-control") for answer in answers}
    assert len(cached) == 1


def test_201_concurrent_requests_create_once(request_once: Request, owner: dict[str, str]) -> None:
    before = request_once.rows()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: request_once.send(owner), range(16)))
    assert answers[0].status_code == 201, answers[0].text
    assert same(answers)
    assert request_once.rows() == before + 1


def test_409_to_another_request_with_the_same_key(
    request_once: Request, owner: dict[str, str]
) -> None:
    others: dict[str, dict[str, Any]] = {
        "rotateApiKey": {"grace_period_seconds": 61},
        "addMember": {"role": "admin"},
    }
    other = others.get(request_once.operation.id, {"name": "another"})
    first = request_once.send(owner)
    assert first.status_code == 201
    before = request_once.rows()
    answer = request_once.send(owner, **other)
    assert_error(answer, 409, "idempotency_key_reused", "header/idempotency-key")
    assert request_once.rows() == before
    assert same([first, request_once.send(owner)])


@pytest.mark.parametrize(
    "key", ["short", "x" * 15, "x" * 256, "with a space in it", "\N{SNOWMAN}" * 16, ""]
)
def test_400_to_an_idempotency_key_that_is_guessable_or_malformed(
    server: Server, tenant: Tenant, owner: dict[str, str], key: str
) -> None:
    request = create_once(server, tenant)
    headers = {k.encode(): v.encode() for k, v in owner.items()}
    answer = server.request(
        "POST",
        request.path,
        json=request.body,
        headers={**headers, b"Idempotency-Key": key.encode()},
    )
    assert_error(answer, 400, "bad_request", "header/Idempotency-Key")


def test_without_a_key_each_request_creates(
    server: Server, tenant: Tenant, owner: dict[str, str]
) -> None:
    request = create_once(server, tenant)
    keys = {
        server.request("POST", request.path, json=request.body, headers=owner).json()["key"]
        for _ in range(3)
    }
    assert len(keys) == 3
    assert len({request.send(owner, str(uuid.uuid4())).json()["key"] for _ in range(3)}) == 3


def test_equivalent_json_is_the_same_request(
    server: Server, tenant: Tenant, owner: dict[str, str]
) -> None:
    request = create_once(server, tenant)
    first = request.send(owner)
    # The default, said; and the members in another order.
    request.body = dict(reversed({**request.body, "scopes": "*"}.items()))
    assert same([first, request.send(owner)])


def test_idempotency_keys_are_scoped_to_the_caller(
    server: Server, tenant: Tenant, owner: dict[str, str]
) -> None:
    request = create_once(server, tenant)
    mine = request.send(owner).json()
    key = {"X-API-Key": tenant.key}
    theirs = request.send(key).json()
    assert mine["key"] != theirs["key"]
    # By another credential of the same user it is the same caller.
    again = {"Authorization": f"Bearer {server.database.add_session(tenant.user_id)}"}
    assert request.send(again).json() == mine


def test_idempotency_keys_are_scoped_to_the_operation(
    server: Server, tenant: Tenant, owner: dict[str, str]
) -> None:
    shared = str(uuid.uuid4())
    for operation in OPERATIONS:
        answer = Request(server, tenant, operation).send(owner, shared)
        assert answer.status_code == 201, answer.text


def test_a_refused_request_is_not_remembered(server: Server, tenant: Tenant) -> None:
    user = server.database.add_user()
    headers = {"Authorization": f"Bearer {server.database.add_session(user)}"}
    request = create_once(server, tenant)
    assert_error(request.send(headers), 404, "environment_not_found")
    server.database.add_member(tenant.org_id, user)
    first = request.send(headers)
    assert first.status_code == 201
    # Who has lost the right is not shown the secret a second time.
    server.database.execute('delete from "member" where "userId" = ?', (user,))
    assert_error(request.send(headers), 404, "environment_not_found")
    server.database.add_member(tenant.org_id, user)
    assert same([first, request.send(headers)])


def test_a_conflict_is_not_remembered(
    server: Server, tenant: Tenant, owner: dict[str, str]
) -> None:
    (operation,) = (each for each in OPERATIONS if each.id == "createEnvironment")
    one, other = (Request(server, tenant, operation) for _ in range(2))
    other.body["slug"] = one.body["slug"]
    made = one.send(owner)
    assert_error(other.send(owner), 409, "conflict", "body/slug")
    path = f"/environments/{made.json()['environment']['id']}"
    server.request("DELETE", path, headers=owner)
    assert other.send(owner).status_code == 201


def test_after_a_day_the_key_may_be_used_again(
    server: Server, tenant: Tenant, owner: dict[str, str]
) -> None:
    request = create_once(server, tenant)
    first = request.send(owner)
    server.database.execute(
        "update receipt set created_at = ?", (iso(datetime.now(UTC) - timedelta(hours=23.9)),)
    )
    assert same([first, request.send(owner)])
    server.database.execute(
        "update receipt set created_at = ?", (iso(datetime.now(UTC) - timedelta(hours=24.1)),)
    )
    again = request.send(owner)
    assert again.status_code == 201
    assert again.json()["key"] != first.json()["key"]


def test_old_idempotency_records_are_pruned(
    server: Server, tenant: Tenant, owner: dict[str, str]
) -> None:
    for _ in range(30):
        create_once(server, tenant).send(owner)
    moment = datetime.now(UTC) - timedelta(hours=24.1)
    server.database.execute("update receipt set created_at = ?", (iso(moment),))
    kept = create_once(server, tenant)
    first = kept.send(owner)
    until(lambda: server.database.count("receipt") == 1)
    assert same([first, kept.send(owner)])


def test_no_secret_is_stored_in_plaintext(
    server: Server, tenant: Tenant, owner: dict[str, str]
) -> None:
    request = create_once(server, tenant)
    secret = request.send(owner).json()["key"]
    dump = server.database.dump()
    for text in (secret, request.key):
        assert text not in dump
        assert text.encode().hex().upper() not in dump.upper()
        assert text not in server.log.read_text(encoding="utf-8")


def test_409_when_the_server_s_secret_has_changed(database: Database) -> None:
    tenant = database.init()
    with serving(database) as server:
        request = create_once(server, tenant)
        key = {"X-API-Key": tenant.key}
        first = request.send(key)
        assert first.status_code == 201
    with serving(database, BETTER_AUTH_SECRET="another secret " * 3) as server:
        request.server = server
        # The record is another server's, and is ignored.
        assert request.send(key).json()["key"] != first.json()["key"]


def test_other_operations_do_not_mind_the_header(
    server: Server, tenant: Tenant, owner: dict[str, str]
) -> None:
    headers = {**owner, "Idempotency-Key": "x"}
    assert server.request("GET", "/auth/whoami", headers=headers).status_code == 200
