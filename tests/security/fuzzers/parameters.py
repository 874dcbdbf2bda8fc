"""`hookstream_keys.contract.parameters`: the document's parameters, against their schemas."""

import re
from typing import Any

from hookstream_keys.contract import spec
from hookstream_keys.contract.parameters import Parameter
from hookstream_keys.domain.errors import Detail


def _all() -> list[dict[str, Any]]:
    document = spec.document()
    found: dict[str, dict[str, Any]] = {}
    for operation in spec.operations(document):
        for parameter in spec.parameters(document, operation.id):
            found[f"{parameter['in']} {parameter['name']} {parameter['schema']}"] = parameter
    return list(found.values())


DESCRIBED = _all()
PARAMETERS = [Parameter(each) for each in DESCRIBED]
_PATTERNS = [re.compile(each["schema"].get("pattern", ""), re.ASCII) for each in DESCRIBED]


def check(data: bytes) -> None:
    """The first byte chooses a parameter, the others are what is given for it."""
    if not data:
        return
    number = data[0] % len(PARAMETERS)
    text = data[1:].decode("utf-8", "replace")
    details: list[Detail] = []
    value = PARAMETERS[number].read(text, details)
    expected = _expected(number, text)
    assert (details == []) == (expected is not None), (DESCRIBED[number]["name"], text)
    if expected is not None:
        assert (value, type(value)) == (expected, type(expected))
    elif len(text) > 8:
        # What was sent is never repeated.
        assert all(text not in detail.message for detail in details)
    PARAMETERS[number].read([text, text], details)
    assert details, "a parameter was taken twice"


def _expected(number: int, text: str) -> Any:
    """What the schema makes of the text, or None."""
    schema = DESCRIBED[number]["schema"]
    # A reference with a default beside it is an `allOf` of one schema.
    (schema,) = schema.get("allOf", [schema])
    if schema["type"] == "boolean":
        return {"true": True, "false": False}.get(text)
    if schema["type"] == "integer":
        numbers = range(schema["minimum"], schema["maximum"] + 1)
        return {str(each): each for each in numbers}.get(text)
    if "enum" in schema:
        return text if text in schema["enum"] else None
    if not schema.get("minLength", 0) <= len(text) <= schema["maxLength"]:
        return None
    found = _PATTERNS[number].match(text)
    # To Python a `$` also stands before a line end that is the last.
    return text if found and not text.endswith("\n") else None
