"""The methods are those of the document: operations, paths, parameters, bodies."""

import inspect
import re
from typing import Any, get_type_hints

import pytest

from hookstream_keys.contract import spec
from hookstream_keys_client import AsyncClient, Client, operations, types
from hookstream_keys_client.operations import Operation

DOCUMENT = spec.document()

#: What no service calls, and why; `request` reaches it.
LEFT_OUT = {
    "authorize": "a reverse proxy asks, with the end client's own headers",
    "signUpEmail": "a browser's",
    "signInEmail": "a browser's",
    "signOut": "a browser's",
    "getSession": "a browser's",
    "getOpenapiYaml": "documentation",
    "getOpenapiJson": "documentation",
    "redirectToSwaggerUi": "documentation",
    "getSwaggerUi": "documentation",
    "getSwaggerUiAsset": "documentation",
    "getReference": "documentation",
    "getReferenceAsset": "documentation",
    "redirectToReference": "documentation",
}

#: Values for the parameters of any method, and how the document writes them in a path.
VALUES = {
    "key_id": "ak_1",
    "rotation_id": "rot_1",
    "organization_id": "org_1",
    "member_id": "mem_1",
    "environment_id": "env_1",
}


def in_the_document() -> dict[str, tuple[str, str, dict[str, Any], list[dict[str, Any]]]]:
    found = {}
    for path, item in DOCUMENT["paths"].items():
        for method in spec.METHODS:
            if method in item:
                operation = item[method]
                parameters = [*item.get("parameters", []), *operation.get("parameters", [])]
                resolved = [_resolved(each) for each in parameters]
                found[operation["operationId"]] = (method.upper(), path, operation, resolved)
    return found


def _resolved(node: dict[str, Any]) -> dict[str, Any]:
    name = node.get("$ref", "").removeprefix("#/components/parameters/")
    return DOCUMENT["components"]["parameters"][name] if name else node


OPERATIONS = in_the_document()
METHODS = {
    re.sub("_(.)", lambda found: found[1].upper(), name): function
    for name, function in vars(operations).items()
    if inspect.isfunction(function)
    and function.__module__ == operations.__name__
    and not name.startswith("_")
    and name != "request"
}


def built(operation_id: str) -> Operation[Any]:
    """The operation with all its parameters given."""
    function = METHODS[operation_id]
    arguments: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD:
            arguments[name] = VALUES.get(name, "x" * 16)
    return function(**arguments)  # type: ignore[no-any-return]  # called by name


def test_every_operation_of_a_service_is_a_method_of_both_clients() -> None:
    assert set(METHODS) == set(OPERATIONS) - set(LEFT_OUT)
    assert set(LEFT_OUT) <= set(OPERATIONS)
    for function in METHODS.values():
        assert getattr(Client, function.__name__) is function
        assert getattr(AsyncClient, function.__name__) is function
        if function.__name__.startswith("list_"):
            name = function.__name__.replace("list_", "iter_")
            assert getattr(Client, name) is getattr(AsyncClient, name) is function


def test_both_clients_have_the_same_methods() -> None:
    def public(cls: type) -> set[str]:
        return {name for name in dir(cls) if not name.startswith("_")}

    assert public(Client) ^ public(AsyncClient) == {"close", "aclose"}


@pytest.mark.parametrize("operation_id", sorted(METHODS))
def test_method_path_and_parameters_are_the_documents(operation_id: str) -> None:
    method, path, operation, parameters = OPERATIONS[operation_id]
    found = built(operation_id)
    assert found.method == method
    pattern = re.sub(r"\{\w+\}", r"(?:ak|org|mem|env|rot)_1", path)
    assert re.fullmatch(pattern, found.path)
    by_place: dict[str, set[str]] = {"path": set(), "query": set(), "header": set()}
    for parameter in parameters:
        by_place[parameter["in"]].add(parameter["name"])
    assert set(found.query) == by_place["query"]
    assert set(found.headers) == by_place["header"]
    # A create can be repeated, and so has a key for that; nothing else has one.
    assert ("Idempotency-Key" in found.headers) == ("201" in operation["responses"])


@pytest.mark.parametrize("operation_id", sorted(METHODS))
def test_the_body_is_the_documents(operation_id: str) -> None:
    operation = OPERATIONS[operation_id][2]
    function = METHODS[operation_id]
    fields = get_type_hints(function).get("fields")
    if "requestBody" not in operation:
        assert fields is None
        assert built(operation_id).body is None
        return
    schema = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    name = schema.removeprefix("#/components/schemas/")
    if fields is None:
        assert name == "VerifyBatchRequest"
        assert built(operation_id).body == {"requests": "x" * 16}
    else:
        assert fields.__args__ == (getattr(types, name),)


@pytest.mark.parametrize("operation_id", sorted(METHODS))
def test_only_what_can_be_carried_out_twice_is_repeatable(operation_id: str) -> None:
    method = OPERATIONS[operation_id][0]
    found = built(operation_id)
    safe = method == "GET" or "Idempotency-Key" in found.headers
    by_nature = {"verifyApiKey", "verifyApiKeys", "revokeApiKey", "revokeBySecret"}
    assert found.repeatable == (safe or operation_id in by_nature)


@pytest.mark.parametrize("value", ["", "..", ".", "a/b", "a b", "%2e%2e", "x" * 65, "ak_1\n", "ä"])
def test_an_id_that_is_none_leads_to_no_other_operation(value: str) -> None:
    with pytest.raises(ValueError, match="an id has 1 to 64 letters"):
        operations.revoke_api_key(value)


def test_every_create_has_a_new_idempotency_key_that_stays_for_its_retries() -> None:
    fields: types.CreateApiKeyRequest = {"name": "n", "org_id": "o", "env_id": "e"}
    first, second = (operations.create_api_key(**fields) for _ in range(2))
    assert first.headers["Idempotency-Key"] != second.headers["Idempotency-Key"]
    assert first.headers == first.headers
    given = operations.create_api_key(idempotency_key="mine-0123456789ab", **fields)
    assert given.headers == {"Idempotency-Key": "mine-0123456789ab"}
    with pytest.raises(ValueError, match="16 to 255 visible ASCII"):
        operations.create_api_key(idempotency_key="short", **fields)


def test_a_parameter_is_written_as_the_api_reads_it() -> None:
    found = operations.revoke_api_key("ak_1", reason="keyCompromise", descendants=True)
    assert found.target == "/auth/api-keys/ak_1?reason=keyCompromise&descendants=true"
    assert operations.list_api_keys(name="a b&c").target == "/auth/api-keys?name=a+b%26c"
    assert operations.list_api_keys().target == "/auth/api-keys"
