"""What a handler takes is typed as the document has it, so that mypy sees a misspelt field."""

from typing import Any, Literal, get_type_hints

import pytest

from hookstream_keys.contract import spec, types
from hookstream_keys.handlers import OPERATIONS, PREPARED

DOCUMENT = spec.document()


def raw(operation_id: str) -> dict[str, Any]:
    """The operation as it is written, with its references."""
    (found,) = [
        operation
        for path in DOCUMENT["paths"].values()
        for operation in path.values()
        if isinstance(operation, dict) and operation.get("operationId") == operation_id
    ]
    return found


def type_of(schema: dict[str, Any]) -> Any:
    if "allOf" in schema:
        # A schema with a default of its own.
        (schema,) = schema["allOf"]
    if "enum" in schema:
        return Literal[tuple(schema["enum"])]
    return {"string": str, "integer": int, "boolean": bool}[schema["type"]]


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_parameters_have_the_types_of_the_document(operation_id: str) -> None:
    hints = get_type_hints(OPERATIONS[operation_id])
    for parameter in spec.parameters(DOCUMENT, operation_id):
        name, schema = parameter["name"], parameter["schema"]
        if parameter["in"] == "header":
            continue
        is_there = parameter.get("required") or "default" in schema
        expected = type_of(schema) if is_there else type_of(schema) | None
        assert hints[name] == expected, name


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_a_body_has_the_type_of_its_schema(operation_id: str) -> None:
    request = raw(operation_id).get("requestBody")
    hints = get_type_hints(OPERATIONS[operation_id])
    if request is None:
        assert "body" not in hints
        return
    reference = request["content"]["application/json"]["schema"]["$ref"]
    schema = getattr(types, reference.rpartition("/")[2])
    expected = schema if request.get("required") else schema | None
    assert hints["body"] == expected
    for step in PREPARED.get(operation_id, ()):
        hint = get_type_hints(step)["body"]
        assert hint == schema or schema in hint.__args__
