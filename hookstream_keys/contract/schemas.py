"""Validation of values by the document's schemas: strict, with validators compiled once."""

import re
from collections.abc import Callable
from itertools import islice
from typing import Any

import jsonschema_rs
import orjson

from hookstream_keys.domain.errors import MAX_DETAILS, BadRequest, Detail

#: Deeper JSON is refused: nothing in the specification nests further than a few levels.
MAX_DEPTH = 32

Schema = dict[str, Any]


class Body:
    """Validates bodies by a schema, and fills in its defaults."""

    def __init__(self, schema: Schema) -> None:
        self._check = checker(schema, "body")
        self._defaults = {
            name: part["default"]
            for name, part in schema.get("properties", {}).items()
            if "default" in part
        }

    def check(self, body: Any) -> Any:
        """`body` with its defaults. Raises BadRequest when it is not valid."""
        details = self._check(body)
        if details:
            raise BadRequest("The request body is not valid.", details=details)
        return {**self._defaults, **body} if self._defaults else body


def checker(schema: Schema, where: str) -> Callable[[Any], list[Detail]]:
    """`check_value` with the schema compiled, whose references Connexion has resolved already."""
    translated = _json_schema(schema)
    validator = jsonschema_rs.Draft4Validator(
        translated,
        validate_formats=True,
        # Messages never contain what was sent.
        mask="value",
        keywords={"x-maxBytes": _MaxBytes},
    )
    is_valid = validator.is_valid

    def check(value: Any) -> list[Detail]:
        return [] if is_valid(value) else _details(validator, translated, value, where)

    return check


class _MaxBytes:
    """The document's own keyword `x-maxBytes`: the size of a value as JSON without white space."""

    def __init__(self, _: Schema, most: int, __: list[str | int]) -> None:
        self._most = most

    def validate(self, value: Any) -> None:
        """Raise ValueError, whose text is the message, for a value that is larger."""
        size = len(orjson.dumps(value))
        if size > self._most:
            raise ValueError(f"value has {size} bytes as JSON, more than {self._most}")


def check_value(schema: Schema, value: Any, where: str) -> list[Detail]:
    """The errors of `value`; each location begins with `where`. Empty when it is valid."""
    return checker(schema, where)(value)


def _details(
    validator: jsonschema_rs.Draft4Validator, schema: Schema, value: Any, where: str
) -> list[Detail]:
    errors = [
        ("/".join([where, *map(str, error.instance_path)]), error, _expected(error, schema))
        for error in islice(validator.iter_errors(value), 2 * MAX_DETAILS)
    ]
    # Of a value with a wrong form and a wrong length, the form says all.
    formed = {location for location, _, expected in errors if expected}
    details = [
        Detail(location, expected or _message(error))
        for location, error, expected in errors
        if expected or location not in formed or error.schema_path[-1] not in _LENGTHS
    ]
    return details[:MAX_DETAILS]


#: Keywords whose messages do not say what is accepted: a regular expression, a format's name, or
#: a list of schemas.
_TECHNICAL = ("pattern", "format", "oneOf")
_LENGTHS = ("minLength", "maxLength")


def _expected(error: jsonschema_rs.ValidationError, schema: Any) -> str | None:
    """The message of the schema's `x-expected`, where it has one and the keyword needs it."""
    *parents, keyword = error.schema_path
    if keyword not in _TECHNICAL:
        return None
    for step in parents:
        schema = schema[step]
    return f"value is not {schema['x-expected']}" if "x-expected" in schema else None


def _message(error: jsonschema_rs.ValidationError) -> str:
    """The validator's message; of an enum, all choices."""
    if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Enum):
        return f"value is not one of {', '.join(map(_choice, error.kind.options))}"
    return error.message


def _choice(value: Any) -> str:
    return value if value and isinstance(value, str) else orjson.dumps(value).decode()


def parse_json(raw: bytes) -> Any:
    """Read a JSON text strictly: UTF-8, no NaN, no lone surrogates, not nested too deep.

    Raises BadRequest.
    """
    if _depth(raw) > MAX_DEPTH:
        raise bad_body(f"nested deeper than {MAX_DEPTH} levels")
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        # Not `error.doc`: messages never contain what was sent.
        raise bad_body(
            f"not valid JSON in UTF-8: {error.msg} (line {error.lineno}, column {error.colno})"
        ) from None


def bad_body(message: str) -> BadRequest:
    """The error for a body that is invalid as a whole."""
    return BadRequest("The request body is not valid.", details=[Detail("body", message)])


_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)


def _depth(raw: bytes) -> int:
    if raw.count(b"{") + raw.count(b"[") <= MAX_DEPTH:
        return 0
    depth = deepest = 0
    for character in _STRING.sub(b"", raw):
        if character in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif character in b"}]":
            depth -= 1
    return deepest


_NOT_SCHEMAS = ("enum", "default", "example", "required")


def _json_schema(schema: Any) -> Any:
    """An OpenAPI 3.0 schema as JSON Schema draft 4, with `nullable` translated."""
    if isinstance(schema, list):
        return [_json_schema(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    words: Schema = {}
    for word, value in schema.items():
        if word in _NOT_SCHEMAS:
            words[word] = value
        elif word == "properties":
            words[word] = {name: _json_schema(part) for name, part in value.items()}
        elif word not in ("nullable", "components"):
            # Connexion put the whole document's `components` there.
            words[word] = _json_schema(value)
    if not schema.get("nullable"):
        return words
    if isinstance(words.get("type"), str) and "enum" not in words:
        # No other keyword applies to null, and an error is found at its own place.
        return {**words, "type": [words["type"], "null"]}
    return {"anyOf": [{"type": "null"}, words]}
