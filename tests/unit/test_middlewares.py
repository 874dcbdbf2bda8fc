"""What the stack relies on in Connexion: an upgrade that changes it fails here, and says what."""

import asyncio
import functools
from typing import Any

import pytest
from connexion.middleware.abstract import ROUTING_CONTEXT
from connexion.operations.openapi import OpenAPIOperation
from connexion.resolver import Resolver
from connexion.spec import Specification
from starlette.types import Receive, Scope, Send

from hookstream_keys.contract import spec
from hookstream_keys.http.per_operation import PerOperationMiddleware
from hookstream_keys.http.routing import Routing

DOCUMENT = spec.load()
OPERATIONS = list(spec.operations(DOCUMENT))


class End:
    """An application that keeps what reaches it."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, _: Receive, __: Send) -> None:
        self.scopes.append(scope)


class Everything(PerOperationMiddleware):
    """Keeps the operations that it is to prepare."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.seen: list[OpenAPIOperation] = []

    def prepare(self, operation: Any) -> Any:
        self.seen.append(operation)
        return self.app


def specification() -> Specification:
    return Specification.from_dict(spec.load())


async def _nothing(*_: Any) -> Any:
    raise AssertionError("nothing is read or sent here")


@functools.cache
def _router() -> tuple[Routing, End]:
    end = End()
    routing = Routing(end)
    routing.add_api(specification(), resolver=Resolver(lambda _: None))
    return routing, end


def routed(path: str, method: str = "GET", **more: Any) -> Scope:
    """The scope as it leaves the router."""
    routing, end = _router()
    end.scopes.clear()
    scope: Scope = {"type": "http", "method": method, "path": path, "headers": [], **more}
    asyncio.run(routing(scope, _nothing, _nothing))
    (found,) = end.scopes
    return found


@pytest.fixture(scope="module")
def prepared() -> Everything:
    made = Everything(End())
    made.add_api(specification(), resolver=Resolver(lambda _: None))
    return made


def test_every_operation_is_prepared_once(prepared: Everything) -> None:
    assert [each.operation_id for each in prepared.seen].count("createApiKey") == 1
    assert {each.operation_id for each in prepared.seen} == {each.id for each in OPERATIONS}


def test_an_operation_says_what_it_takes(prepared: Everything) -> None:
    found = {each.operation_id: each for each in prepared.seen}
    create = found["createApiKey"]
    assert create.request_body["required"] is True
    schema = create.body_schema("application/json")
    # Its references are resolved.
    assert schema["properties"]["rate_limit"]["properties"]["requests"]["type"] == "integer"
    assert [each["name"] for each in create.parameters] == ["Idempotency-Key"]
    assert create.parameters[0]["schema"]["minLength"] == 16
    # Those of the path come with those of the operation.
    revoke = found["revokeApiKey"]
    assert {each["name"]: each["in"] for each in revoke.parameters} == {
        "id": "path",
        "reason": "query",
        "descendants": "query",
    }
    assert not found["getHealth"].request_body
    assert found["signOut"].request_body.get("required", False) is False


def test_an_operation_says_which_credentials_it_takes(prepared: Everything) -> None:
    found = {each.operation_id: each for each in prepared.seen}
    assert found["getHealth"].security == []
    assert found["getSession"].security == [{"bearerToken": []}, {"sessionCookie": []}, {}]
    assert found["createApiKey"].security == DOCUMENT["security"]
    for name, scheme in DOCUMENT["components"]["securitySchemes"].items():
        assert found["createApiKey"].security_schemes[name]["type"] == scheme["type"]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_the_router_finds_every_operation(operation: spec.Operation) -> None:
    path = "/v1" + operation.path.replace("{", "").replace("}", "")
    scope = routed(path, operation.method)
    routing = scope["extensions"][ROUTING_CONTEXT]
    assert routing == {"api_base_path": "/v1", "operation_id": operation.id}
    names = [
        name
        for name in ("id", "member_id", "rotation_id", "asset")
        if f"{{{name}}}" in operation.path
    ]
    assert scope["path_params"] == {name: name for name in names}


def test_a_cached_path_is_routed_as_connexion_does() -> None:
    for operation in OPERATIONS:
        if "{" not in operation.path:
            by_heart = routed("/v1" + operation.path, operation.method)
            # Behind a proxy that takes away a prefix it is Connexion's router that is asked.
            asked = routed("/prefix/v1" + operation.path, operation.method, root_path="/prefix")
            assert by_heart["extensions"] == asked["extensions"]
            assert by_heart["path_params"] == asked["path_params"] == {}


def test_an_unknown_operation_has_none() -> None:
    assert routed("/v1/nowhere")["extensions"][ROUTING_CONTEXT]["operation_id"] is None


def test_other_asgi_scopes_are_passed_on() -> None:
    for middleware in (Routing(end := End()), Everything(end)):
        asyncio.run(middleware({"type": "lifespan"}, _nothing, _nothing))
    assert [scope["type"] for scope in end.scopes] == ["lifespan", "lifespan"]
