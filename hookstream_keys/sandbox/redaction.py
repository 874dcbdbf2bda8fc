"""Removes secrets from what a client has sent: it may be configured with real ones by mistake.

Shown is what the document knows to be harmless; of everything else, only that it was there. Within
metadata, whose members the document does not know, names and forms tell what may be a secret.
"""

import re
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlencode

from hookstream_keys.contract import parameters, spec
from hookstream_keys.contract.schemas import parse_json
from hookstream_keys.domain.errors import BadRequest
from hookstream_keys.domain.keys import PREFIX_LENGTH

REDACTED = "[redacted]"

#: The header fields that are shown.
_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "idempotency-key",
        "if-match",
        "if-none-match",
        "prefer",
        "traceparent",
        "transfer-encoding",
        "user-agent",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-request-id",
    }
)
#: The fields of bodies in the document that have a secret.
_SECRETS = frozenset({"key", "password", "token"})
#: Parts of names in metadata that say so.
_SECRET_NAME = re.compile(
    "auth|cookie|credential|jwt|key|passphrase|passw|pwd|secret|session|signature|token",
    re.IGNORECASE,
)
_KEY = re.compile(r"hs_(?:live|test)_[0-9a-f]{16,}", re.IGNORECASE)
#: A session token has 32 random letters and digits; identifiers have no capital letters.
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])(?=[A-Za-z0-9]*[a-z])(?=[A-Za-z0-9]*[A-Z])[A-Za-z0-9]{32,}(?:[.][\w+/%=-]+)?"
)
#: Opaque positions in lists, which may look like tokens.
_CURSOR = "cursor"


def redacted_headers(headers: dict[str, str]) -> dict[str, str]:
    """Header fields by name, in lower case: the values of harmless ones."""
    return {
        redacted_text(name): redacted_text(value) if name in _HEADERS else REDACTED
        for name, value in headers.items()
    }


def redacted_text(text: str) -> str:
    """A text with the prefixes of keys instead of keys, and without session tokens."""
    return _TOKEN.sub(REDACTED, _without_keys(text))


def redacted_query(query: str, operation_id: str | None) -> str:
    """A query with the values of the operation's own parameters.

    One without a secret is unchanged.
    """
    known = _parameters(operation_id) if operation_id else frozenset()
    pairs = parse_qsl(query, keep_blank_values=True)
    shown = []
    for name, value in pairs:
        if name not in known:
            shown.append((redacted_text(name), REDACTED))
        else:
            shown.append((name, value if name == _CURSOR else redacted_text(value)))
    return query if shown == pairs else urlencode(shown, safe="[]:…")


def redacted_body(body: bytes, operation_id: str | None) -> Any:
    """The JSON value of a body by its operation's schema; of another body, its size in words."""
    if not body:
        return None
    schema = _body_schema(operation_id) if operation_id else None
    try:
        # As the API reads it.
        value = parse_json(body)
    except BadRequest:
        return f"[{len(body)} bytes that are not valid JSON]"
    return f"[{len(body)} bytes of JSON]" if schema is None else _described(value, schema)


def _described(value: Any, schema: dict[str, Any]) -> Any:
    """A value with what a schema describes."""
    match value:
        case dict() if "properties" in schema:
            properties = schema["properties"]
            return {
                redacted_text(name): _member(name, each, properties[name])
                if name in properties
                else REDACTED
                for name, each in value.items()
            }
        case dict():
            return _free(value)
        case list():
            return [_described(each, schema.get("items", {})) for each in value]
        case str():
            return redacted_text(value)
        case _:
            return value


def _member(name: str, value: Any, schema: dict[str, Any]) -> Any:
    if name not in _SECRETS:
        return _described(value, schema)
    shown = _without_keys(value) if isinstance(value, str) else value
    return REDACTED if shown == value else shown


def _free(value: Any) -> Any:
    """A value that the document does not describe."""
    match value:
        case dict():
            return {
                redacted_text(name): REDACTED if _SECRET_NAME.search(name) else _free(each)
                for name, each in value.items()
            }
        case list():
            return [_free(each) for each in value]
        case str():
            return redacted_text(value)
        case _:
            return value


def _without_keys(text: str) -> str:
    return _KEY.sub(lambda found: found[0][:PREFIX_LENGTH] + "…", text)


@cache
def _parameters(operation_id: str) -> frozenset[str]:
    """The names of an operation's query parameters."""
    described = parameters.of_operation(operation_id)
    return frozenset(each.name for each in described if each.place == "query")


@cache
def _body_schema(operation_id: str) -> dict[str, Any] | None:
    """The schema of an operation's body, or None where it takes none."""
    if not spec.operation(operation_id).consumes:
        return None
    return spec.request_schema(spec.document(), operation_id)
