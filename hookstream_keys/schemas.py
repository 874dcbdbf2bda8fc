"""Values against the specification's schemas: read strictly, by validators compiled once."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import jsonschema_rs
import orjson

from hookstream_keys.errors import MAX_DETAILS, BadRequest, Detail

#: Deeper JSON is refused: nothing in the specification nests further than a few levels.
MAX_DEPTH = 32

Schema = dict[str, Any]


class SchemaValidators:
    """Compiled validators, one for each schema object of the specification."""

    def __init__(self) -> None:
        # The schema is kept beside its validator, so that its id is not given away again.
        self._compiled: dict[int, tuple[Schema, jsonschema_rs.Draft4Validator]] = {}

    def of(self, schema: Schema) -> jsonschema_rs.Draft4Validator:
        """The validator of `schema`, whose references Connexion has resolved already."""
        found = self._compiled.get(id(schema))
        if found is None:
            compiled = jsonschema_rs.Draft4Validator(
                _json_schema(schema),
                validate_formats=True,
                # Messages never repeat what was sent.
                mask="value",
            )
            found = self._compiled[id(schema)] = (schema, compiled)
        return found[1]


_VALIDATORS = SchemaValidators()


def check_value(schema: Schema, value: Any, where: str) -> list[Detail]:
    """What is wrong with `value`; each location begins with `where`. Empty when nothing is."""
    if not schema:
        # What Connexion gives for a response that the document does not describe.
        return []
    validator = _VALIDATORS.of(schema)
    if validator.is_valid(value):
        return []
    details = []
    for error in validator.iter_errors(value):
        location = "/".join([where, *map(str, error.instance_path)])
        details.append(Detail(location, error.message))
        if len(details) == MAX_DETAILS:
            break
    return details


def check_body(schema: Schema, body: Any) -> Any:
    """`body` with the schema's defaults filled in. Raises BadRequest when it is not valid."""
    details = check_value(schema, body, "body")
    if details:
        raise BadRequest("The request body is not valid.", details=details)
    return _with_defaults(schema, body)


def check_parameters(parameters: Iterable[Schema], given: Mapping[str, str | None]) -> Any:
    """What is given as text, as the parameters are typed, with their defaults filled in, by name.

    None is not given. Raises BadRequest that names each that is wrong.
    """
    read: dict[str, Any] = {}
    details: list[Detail] = []
    for parameter in parameters:
        name, schema = parameter["name"], parameter["schema"]
        text, where = given.get(name), f"{parameter['in']}/{name}"
        if text is not None:
            read[name] = read_scalar(text, schema.get("type"))
            details += check_value(schema, read[name], where)
        elif parameter.get("required"):
            details.append(Detail(where, "is required"))
        elif "default" in schema:
            read[name] = schema["default"]
    if details:
        raise BadRequest("The request's parameters are not valid.", details=details)
    return read


_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})", re.ASCII)


def read_scalar(text: Any, kind: str | None) -> Any:
    """`text` as the JSON value of this type that it spells; as it is when it spells none."""
    if kind == "integer" and isinstance(text, str) and _INTEGER.fullmatch(text):
        return int(text)
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    return text


def parse_json(raw: bytes) -> Any:
    """Read a JSON text strictly: UTF-8, no NaN, no lone surrogates, not nested too deep.

    Raises BadRequest.
    """
    if _depth(raw) > MAX_DEPTH:
        raise bad_body(f"nested deeper than {MAX_DEPTH} levels")
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        # Not `error.doc`: messages never repeat what was sent.
        raise bad_body(
            f"not valid JSON in UTF-8: {error.msg} (line {error.lineno}, column {error.colno})"
        ) from None


def bad_body(message: str) -> BadRequest:
    """The error for a body that is wrong as a whole."""
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
    """An OpenAPI 3.0 schema in the words of JSON Schema draft 4: `nullable` is spelled out."""
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
            # `components` is the whole document's, put there by Connexion.
            words[word] = _json_schema(value)
    if not schema.get("nullable"):
        return words
    if isinstance(words.get("type"), str) and "enum" not in words:
        # No other word says anything of null, and a fault is found at its own place.
        return {**words, "type": [words["type"], "null"]}
    return {"anyOf": [{"type": "null"}, words]}


def _with_defaults(schema: Schema, value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    missing = {
        name: part["default"]
        for name, part in schema.get("properties", {}).items()
        if name not in value and "default" in part
    }
    return {**missing, **value}
