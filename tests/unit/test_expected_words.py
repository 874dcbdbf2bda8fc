"""Error messages say in words what is accepted (`x-expected`): never a regular expression."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from hookstream_keys.contract import parameters, spec
from hookstream_keys.contract.schemas import Schema, check_value
from hookstream_keys.domain.errors import Detail
from hookstream_keys.sandbox.document import document as control_document

DOCUMENTS = {"openapi.yaml": spec.document(), "control.yaml": control_document()}

#: Bytes have no form, and no example in text.
WITHOUT_EXAMPLE = {"binary"}

#: Whatever type a value should be, some of these are not valid.
WRONG: tuple[Any, ...] = (
    None,
    True,
    -1,
    10**12,
    0.5,
    "",
    " ",
    "\n",
    "?" * 2000,
    "2030-01-01",
    "10.0.0.0/33",
    [],
    [" "],
    [1] * 200,
    {},
    {" ": 1},
)

#: What a message would have if the validator had worded it from the document's patterns.
TECHNICAL = re.compile(r"\^|\[0-9|\\|candidates|schemas listed|does not match|date-time")


def schemas_with_form(node: Any, at: str = "") -> Iterator[tuple[str, Schema]]:
    """Each schema with a `pattern` or a `format`, and where it is."""
    if isinstance(node, list):
        for number, part in enumerate(node):
            yield from schemas_with_form(part, f"{at}/{number}")
    elif isinstance(node, dict):
        if isinstance(node.get("pattern"), str) or isinstance(node.get("format"), str):
            yield at, node
        for name, part in node.items():
            yield from schemas_with_form(part, f"{at}/{name}")


FORMS = [
    pytest.param(schema, id=f"{name}{at}")
    for name, document in DOCUMENTS.items()
    for at, schema in schemas_with_form(document)
]


def test_each_document_has_some() -> None:
    for document in DOCUMENTS.values():
        assert sum(1 for _ in schemas_with_form(document)) > 5


@pytest.mark.parametrize("schema", FORMS)
def test_each_pattern_and_format_has_words_with_an_example_that_it_accepts(schema: Schema) -> None:
    words = schema["x-expected"]
    if schema.get("format") in WITHOUT_EXAMPLE:
        return
    _, such_as, example = words.rpartition(" such as ")
    assert such_as
    assert re.search(schema.get("pattern", ""), example)
    assert check_value(schema, example, "body") == []
    assert not TECHNICAL.search(words)


@pytest.mark.parametrize("schema", FORMS)
def test_their_messages_are_these_words(schema: Schema) -> None:
    if schema.get("format") in WITHOUT_EXAMPLE:
        return
    # Long enough, and in no form that the documents have.
    wrong = "\x07" * max(1, schema.get("minLength", 1))
    assert check_value(schema, wrong, "body") == [
        Detail("body", f"value is not {schema['x-expected']}")
    ] * (2 if {"pattern", "format"} <= schema.keys() else 1)


def operations() -> Iterator[tuple[str, spec.Document, spec.Operation]]:
    for name, document in DOCUMENTS.items():
        for operation in spec.operations(document):
            yield f"{name}/{operation.id}", document, operation


OPERATIONS = [pytest.param(*each[1:], id=each[0]) for each in operations()]


@pytest.mark.parametrize(("document", "operation"), OPERATIONS)
def test_no_request_gets_a_message_that_is_not_in_words(
    document: spec.Document, operation: spec.Operation
) -> None:
    details: list[Detail] = []
    for described in spec.parameters(document, operation.id):
        parameter = parameters.Parameter(described)
        for wrong in WRONG:
            parameter.read(wrong, details)
    if operation.consumes:
        details += details_of_bodies(spec.request_schema(document, operation.id))
    for detail in details:
        assert not TECHNICAL.search(detail.message), detail


def details_of_bodies(schema: Schema) -> Iterator[Detail]:
    """The errors of wrong bodies, and of wrong values of each property and item."""
    for wrong in WRONG:
        yield from check_value(schema, wrong, "body")
    for part in (*schema.get("properties", {}).values(), schema.get("items")):
        if isinstance(part, dict):
            yield from details_of_bodies(part)


def test_a_wrong_network_is_told_where_it_is() -> None:
    schema = spec.request_schema(spec.document(), "createApiKey")
    body = {"name": "n", "org_id": "o", "env_id": "e", "allowed_ips": ["10.0.0.0/8", "10.0.0.0/33"]}
    assert check_value(schema, body, "body") == [
        Detail(
            "body/allowed_ips/1",
            "value is not an IP address or a network in CIDR notation, such as 192.0.2.0/24",
        )
    ]


@pytest.mark.parametrize("nullable", [False, True])
def test_words_are_found_through_combined_schemas(*, nullable: bool) -> None:
    part: Schema = {"type": "string", "pattern": "^x$", "x-expected": "an x, such as x"}
    schema = {"allOf": [{**part, "nullable": nullable}]}
    assert check_value(schema, "y", "body") == [Detail("body", "value is not an x, such as x")]
