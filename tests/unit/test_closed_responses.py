"""Responses are open in the served document, and closed where this project validates its own."""

from collections.abc import Iterator
from typing import Any

import pytest

from hookstream_keys.contract import spec
from hookstream_keys.contract.closed_responses import closed_responses

DOCUMENT = spec.document()
CLOSED = closed_responses(DOCUMENT)

#: Objects of which the document describes some fields, or none.
FREE_FORM = {
    "#/components/schemas/AuditLogEntry/properties/details",
    "#/components/schemas/OpenapiDocument",
    "#/components/schemas/OpenapiDocument/properties/info",
    "#/components/schemas/OpenapiDocument/properties/paths",
}


def target(reference: str) -> Any:
    found: Any = DOCUMENT
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return found


def reachable(node: Any, at: str, seen: set[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The object schemas that are reachable from a part of the document, by where they stand."""
    if isinstance(node, list):
        for index, part in enumerate(node):
            yield from reachable(part, f"{at}/{index}", seen)
    elif isinstance(node, dict):
        if "$ref" in node:
            at, node = node["$ref"], target(node["$ref"])
        if at in seen:
            return
        seen.add(at)
        if node.get("type") == "object":
            yield at, node
        for name, part in node.items():
            if name not in ("example", "examples", "links"):
                yield from reachable(part, f"{at}/{name}", seen)


def bodies(part: str) -> dict[str, dict[str, Any]]:
    """The object schemas of all operations' `requestBody` or `responses`."""
    seen: set[str] = set()
    return {
        at: schema
        for path, item in DOCUMENT["paths"].items()
        for method in spec.METHODS
        for at, schema in reachable(
            item.get(method, {}).get(part), f"#/paths{path}/{method}/{part}", seen
        )
    }


REQUESTS, RESPONSES = bodies("requestBody"), bodies("responses")


def is_map(schema: dict[str, Any]) -> bool:
    """Whether it is an object with names of the client's own, as a key's metadata is."""
    return isinstance(schema.get("additionalProperties"), dict)


def test_there_are_objects_of_both_kinds() -> None:
    assert len(REQUESTS) > 10
    assert len(RESPONSES) > 35


def test_every_object_of_a_response_is_open() -> None:
    closed = {
        at
        for at, schema in RESPONSES.items()
        if schema.get("additionalProperties") is not True and not is_map(schema)
    }
    assert closed == set()


def test_every_object_of_a_request_is_closed() -> None:
    opened = {
        at
        for at, schema in REQUESTS.items()
        if schema.get("additionalProperties") is not False and not is_map(schema)
    }
    assert opened == set()


def test_only_maps_are_objects_of_requests_and_responses_alike() -> None:
    assert REQUESTS.keys() & RESPONSES.keys() == {"#/components/schemas/Metadata"}


def test_no_object_is_combined_of_others() -> None:
    """A closed part of an `allOf` would refuse the fields of the other parts."""
    for schema in [*REQUESTS.values(), *RESPONSES.values()]:
        assert not schema.keys() & {"allOf", "anyOf", "oneOf"}


@pytest.mark.parametrize("at", RESPONSES)
def test_the_closed_form_has_no_undocumented_fields(at: str) -> None:
    found: Any = CLOSED
    for name in at.removeprefix("#/").split("/"):
        found = found[name]
    before = RESPONSES[at]
    if at in FREE_FORM or is_map(before):
        assert found["additionalProperties"] == before["additionalProperties"]
    else:
        assert found["additionalProperties"] is False


def test_what_is_free_form_is_known() -> None:
    marked = {
        at
        for at, schema in RESPONSES.items()
        if "x-free-form" in schema or not (is_map(schema) or "properties" in schema)
    }
    assert marked == FREE_FORM


def differences(before: Any, after: Any, at: str = "#") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys():
        for name in before:
            yield from differences(before[name], after[name], f"{at}/{name}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, pair in enumerate(zip(before, after, strict=True)):
            yield from differences(*pair, f"{at}/{index}")
    elif before != after:
        yield at


def test_nothing_else_differs_and_the_shared_document_stays_as_it_is() -> None:
    found = list(differences(DOCUMENT, CLOSED))
    assert len(found) > 30
    assert {each.rpartition("/")[2] for each in found} == {"additionalProperties"}
    assert DOCUMENT["components"]["schemas"]["Health"]["additionalProperties"] is True


def test_an_example_that_looks_like_a_schema_is_left_as_it_is() -> None:
    def data() -> dict[str, Any]:
        return {"additionalProperties": True, "properties": {}}

    document = {"example": data(), "examples": {"one": {"value": data()}}, "schema": data()}
    closed = closed_responses(document)
    assert closed["example"] == data()
    assert closed["examples"] == {"one": {"value": data()}}
    assert closed["schema"] == {**data(), "additionalProperties": False}
