import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookstream_keys.contract import spec
from hookstream_keys.contract.schemas import MAX_DEPTH, Body, Schema, check_value, parse_json
from hookstream_keys.domain.errors import BadRequest

CREATE = spec.request_schema(spec.load(), "createApiKey")
VALID = {"name": "Production key", "org_id": "org_1", "env_id": "env_1"}
CANARY = "CanaryThatMustNotBeRepeated"


def refusal(raw: bytes) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        parse_json(raw)
    return caught.value


def locations(schema: Schema, value: Any) -> list[str]:
    return [detail.location for detail in check_value(schema, value, "body")]


# Reading


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"{",
        b"}",
        b"[1,]",
        b'{"a":1,}',
        b"{'a':1}",
        b"{} x",
        b"{}{}",
        b"// comment\n{}",
        b"NaN",
        b'{"a":NaN}',
        b"Infinity",
        b"-Infinity",
        b"1e400",
        b"-1e400",
        b"9" * 5000,
        b"01",
        b"+1",
        b"True",
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b'{"\\ud800":1}',
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"\xc0\x80"',
        b'"\x01"',
        b'"\n"',
        b'"open',
        b'"\\x41"',
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        "{}".encode("utf-32"),
        b"{}\x00",
    ],
)
def test_a_body_that_is_not_utf_8_json_is_rejected(raw: bytes) -> None:
    error = refusal(raw)
    assert error.status == 400
    assert [detail.location for detail in error.details] == ["body"]


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"null", None),
        (b" {} \n", {}),
        (b'"\\ud83d\\ude00"', "\N{GRINNING FACE}"),
        (b'"\xf0\x9f\x98\x80"', "\N{GRINNING FACE}"),
        (b'"\\u0000"', "\0"),
        (b"[1,-0,1.5,1e3,true]", [1, 0, 1.5, 1000.0, True]),
        (b"18446744073709551615", 2**64 - 1),
    ],
)
def test_json_is_read(raw: bytes, value: Any) -> None:
    assert parse_json(raw) == value


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@given(json_values)
def test_json_round_trips(value: Any) -> None:
    assert parse_json(json.dumps(value, ensure_ascii=True).encode()) == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary())
def test_no_bytes_make_reading_fail_otherwise(raw: bytes) -> None:
    with suppress(BadRequest):
        parse_json(raw)


@pytest.mark.parametrize("raw", [CANARY.encode(), f'{{"{CANARY}": {CANARY}}}'.encode()])
def test_a_body_that_cannot_be_read_is_not_repeated(raw: bytes) -> None:
    error = refusal(raw)
    assert CANARY not in repr((error.message, error.details))


# Nesting

QUOTED = '"\\"[[{{\\\\\\"[["'


def nested(depth: int) -> list[bytes]:
    """Documents that are `depth` levels deep, where the brackets in strings do not count."""
    texts = [
        "[" * depth + "]" * depth,
        '{"a":' * depth + "1" + "}" * depth,
        '[{"a":' * (depth // 2) + "[]" * (depth % 2) + "}]" * (depth // 2),
        "[" * depth + QUOTED + "]" * depth,
        "[" + QUOTED + "," + "[" * (depth - 1) + "]" * depth,
        '["\\\\",' + "[" * (depth - 1) + "]" * depth,
    ]
    # An object's value cannot be left out.
    return [text.replace(":}", ":1}").encode() for text in texts]


@pytest.mark.parametrize("raw", nested(MAX_DEPTH))
def test_the_deepest_allowed_nesting_is_accepted(raw: bytes) -> None:
    assert parse_json(raw) == json.loads(raw)


@pytest.mark.parametrize("raw", nested(MAX_DEPTH + 1))
def test_one_level_more_is_rejected(raw: bytes) -> None:
    assert json.loads(raw)
    assert str(MAX_DEPTH) in refusal(raw).details[0].message


@pytest.mark.parametrize("text", ["[" * 1000, "]" * 1000 + "{" * 1000, QUOTED[1:-1] * 100])
def test_brackets_in_a_string_are_no_nesting(text: str) -> None:
    raw = json.dumps([text, {text: text}]).encode()
    assert parse_json(raw) == [text, {text: text}]


def test_many_values_side_by_side_are_no_nesting() -> None:
    assert parse_json(b"[" + b"[]," * 1000 + b"[]]") == [[]] * 1001


@pytest.mark.parametrize(
    "raw", [b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000, b"[" * 100_000, b'["' * 100_000]
)
def test_nesting_of_100_000_levels_is_rejected(raw: bytes) -> None:
    assert refusal(raw).status == 400


# Checking


def test_a_valid_body_gets_the_defaults() -> None:
    assert Body(CREATE).check(VALID) == {**VALID, "scopes": "*"}


def test_a_value_that_was_sent_is_kept() -> None:
    assert Body(CREATE).check({**VALID, "scopes": "events:read"})["scopes"] == "events:read"


def test_the_value_that_was_checked_is_not_changed() -> None:
    body = dict(VALID)
    Body(CREATE).check(body)
    assert body == VALID


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": ""}, ["body/name"]),
        ({"name": 1}, ["body/name"]),
        ({"name": None}, ["body/name"]),
        ({"name": " x"}, ["body/name"]),
        ({"name": "x\n"}, ["body/name"]),
        ({"name": "x\u0085"}, ["body/name"]),
        ({"name": "x" * 101}, ["body/name"]),
        ({"org_id": "org_1\n"}, ["body/org_id"]),
        ({"org_id": "org_\N{ARABIC-INDIC DIGIT ONE}"}, ["body/org_id"]),
        ({"scopes": "a:b\n"}, ["body/scopes"]),
        ({"scopes": None}, ["body/scopes"]),
        ({"scopes": ["a:b"]}, ["body/scopes"]),
        ({"unknown": 1}, ["body"]),
        ({"name": 1, "env_id": 2}, ["body/env_id", "body/name"]),
    ],
)
def test_a_wrong_body_is_refused_where_it_is_wrong(
    changes: dict[str, Any], expected: list[str]
) -> None:
    with pytest.raises(BadRequest) as caught:
        Body(CREATE).check({**VALID, **changes})
    assert sorted({detail.location for detail in caught.value.details}) == expected


@pytest.mark.parametrize("name", VALID)
def test_what_is_missing_is_named(name: str) -> None:
    body = {other: value for other, value in VALID.items() if other != name}
    details = check_value(CREATE, body, "body")
    assert [detail.location for detail in details] == ["body"]
    assert name in details[0].message


@pytest.mark.parametrize("body", [None, [], "text", 1, True])
def test_a_body_that_is_no_object_is_refused(body: Any) -> None:
    assert locations(CREATE, body) == ["body"]


def test_a_location_leads_into_lists_and_objects() -> None:
    schema = {
        "type": "object",
        "properties": {
            "items": {
                "type": "array",
                "items": {"type": "object", "properties": {"x": {"type": "integer"}}},
            }
        },
    }
    assert locations(schema, {"items": [{"x": 1}, {"x": "1"}]}) == ["body/items/1/x"]


def test_a_location_begins_with_where_the_value_was() -> None:
    details = check_value({"type": "integer"}, "x", "query")
    assert [detail.location for detail in details] == ["query"]


def test_of_a_wrong_form_and_length_the_form_is_told() -> None:
    form = {"minLength": 3, "maxLength": 5, "pattern": "^[a-z]+$", "x-expected": "letters"}
    for value in ("1", "123456"):
        assert [each.message for each in check_value(form, value, "body")] == [
            "value is not letters"
        ]
    for value in ("a", "abcdef"):
        (detail,) = check_value(form, value, "body")
        assert "characters" in detail.message


def test_every_field_that_is_missing_is_named() -> None:
    assert locations({"type": "object", "required": ["a", "b"]}, {}) == ["body", "body"]


def test_at_most_10_places_are_named() -> None:
    schema = {"type": "array", "items": {"type": "integer"}}
    assert len(check_value(schema, ["x"] * 9, "body")) == 9
    assert len(check_value(schema, ["x"] * 50, "body")) == 10


# Of every word that a schema may have, one that the canary does not obey.
NARROW: list[Schema] = [
    {"type": "integer"},
    {"enum": ["x"]},
    {"pattern": "^x$"},
    {"format": "date-time"},
    {"minLength": 100},
    {"maxLength": 3},
    {"not": {"type": "string"}},
    {"anyOf": [{"type": "integer"}, {"type": "null"}]},
    {"oneOf": [{"type": "string"}, {"minLength": 1}]},
    {"oneOf": [{"type": "integer"}, {"type": "null"}]},
    {"allOf": [{"type": "integer"}]},
    {"type": "integer", "nullable": True},
]


@pytest.mark.parametrize("schema", NARROW)
def test_a_message_never_repeats_a_value(schema: Schema) -> None:
    assert locations(schema, CANARY) == ["body"]
    wrapped = {"type": "object", "properties": {"a": {"type": "array", "items": schema}}}
    details = check_value(wrapped, {"a": [CANARY]}, "body")
    assert [detail.location for detail in details] == ["body/a/0"]
    assert CANARY not in details[0].message


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"minimum": 5}, 4.125),
        ({"maximum": 3}, 4.125),
        ({"maximum": 4, "exclusiveMaximum": True}, 4.125),
        ({"multipleOf": 2}, 4.125),
        ({"type": "integer"}, 4.125),
        ({"uniqueItems": True}, [4.125, 4.125]),
        ({"maxItems": 1}, [4.125, 4.125]),
        ({"maxProperties": 0}, {"a": 4.125}),
    ],
)
def test_a_message_never_repeats_a_number(schema: Schema, value: Any) -> None:
    details = check_value(schema, value, "body")
    assert len(details) == 1
    assert "4.125" not in details[0].message


@given(name=st.sampled_from([*CREATE["properties"]]), inner=json_values)
def test_no_body_is_repeated(name: str, inner: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        Body(CREATE).check({**VALID, name: [CANARY, inner]})
    assert CANARY not in repr((caught.value.message, caught.value.details))


@given(json_values)
def test_no_body_makes_checking_fail_otherwise(body: Any) -> None:
    assert locations(CREATE, body)


# OpenAPI's words


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "nullable": True},
        {"type": "string", "enum": ["x"], "nullable": True},
        {"enum": ["x"], "nullable": True},
        {"type": "string", "minLength": 1, "pattern": "^x$", "nullable": True},
        {"anyOf": [{"type": "integer"}, {"type": "string", "nullable": True, "enum": ["x"]}]},
        {"allOf": [{"type": "string", "enum": ["x"]}], "nullable": True},
    ],
)
def test_nullable_allows_null_and_nothing_else_that_was_wrong(schema: Schema) -> None:
    assert locations(schema, None) == []
    assert locations(schema, "x") == []
    assert locations(schema, ["x"]) == ["body"]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string"},
        {"type": "string", "nullable": False},
        {"type": "string", "example": None, "default": None},
        {"allOf": [{"type": "string"}, {"type": "string", "nullable": True}]},
    ],
)
def test_null_is_refused_where_it_is_not_allowed(schema: Schema) -> None:
    assert locations(schema, None) == ["body"]


def test_nullable_holds_deep_inside() -> None:
    inner = {"type": "array", "items": {"type": "string", "nullable": True}}
    schema = {"type": "object", "additionalProperties": inner}
    assert locations(schema, {"a": [None, "x"]}) == []
    assert locations(schema, {"a": [None, 1]}) == ["body/a/1"]
    assert locations(schema, {"a": None}) == ["body/a"]


WORDS = [
    "nullable",
    "components",
    "enum",
    "default",
    "example",
    "required",
    "properties",
    "type",
    "items",
    "$ref",
]


@pytest.mark.parametrize("name", WORDS)
def test_a_property_may_be_called_like_a_schema_s_word(name: str) -> None:
    schema = {
        "type": "object",
        "additionalProperties": False,
        "required": [name],
        "properties": {name: {"type": "integer", "nullable": True}},
    }
    assert locations(schema, {name: 1}) == []
    assert locations(schema, {name: None}) == []
    assert locations(schema, {name: "x"}) == [f"body/{name}"]
    assert locations(schema, {}) == ["body"]


@pytest.mark.parametrize("value", [{"nullable": True}, {"components": 1, "a": {"nullable": True}}])
def test_what_an_enum_lists_is_no_schema(value: dict[str, Any]) -> None:
    assert locations({"enum": [value]}, value) == []
    assert locations({"enum": [value]}, None) == ["body"]


def test_the_components_that_connexion_adds_say_nothing_of_a_value() -> None:
    schema = {"type": "string", "components": {"schemas": {"A": {"$ref": "#/nowhere"}}}}
    assert locations(schema, "x") == []
    assert locations(schema, 1) == ["body"]


def test_a_pattern_s_end_is_the_text_s_end() -> None:
    assert locations({"type": "string", "pattern": "^[a-z]+$"}, "abc") == []
    assert locations({"type": "string", "pattern": "^[a-z]+$"}, "abc\n") == ["body"]


def test_formats_are_checked() -> None:
    schema = {"type": "string", "format": "date-time"}
    assert locations(schema, "2026-11-24T12:00:00.000Z") == []
    assert locations(schema, "2026-11-24") == ["body"]


def test_a_schema_that_was_made_for_one_check_is_not_taken_for_another() -> None:
    # Validators are kept by the schema's identity, which Python gives away again.
    for number in range(200):
        kind = ("integer", "string")[number % 2]
        assert locations({"type": kind}, number) == ([] if kind == "integer" else ["body"])
