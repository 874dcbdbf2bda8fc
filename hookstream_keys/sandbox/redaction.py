"""Removes secrets from what a client has sent: it may be configured with real ones by mistake.

Three things are secrets: what looks like a key, what looks like a session token, and the value of
anything whose name says so, such as `password` or `x-auth-token`.
"""

import re
from typing import Any
from urllib.parse import unquote_plus

from hookstream_keys.domain.keys import PREFIX_LENGTH

REDACTED = "[redacted]"

_KEY = re.compile(r"hs_(?:live|test)_[0-9a-f]{16,}", re.IGNORECASE)
#: A session token has 32 random letters and digits; identifiers have no capital letters.
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])(?=[A-Za-z0-9]*[a-z])(?=[A-Za-z0-9]*[A-Z])[A-Za-z0-9]{32,}(?:[.][\w+/%=-]+)?"
)
_SECRET = "auth|authorization|cookie|credential|key|passwd|password|secret|token"  # noqa: S105 - names
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
_SECRET_WORDS = frozenset(_SECRET.split("|")) | {f"{word}s" for word in _SECRET.split("|")}
#: Names of this API and of HTTP that only look like those of secrets.
_HARMLESS = {"idempotency-key", "key_id", "key_prefix", "sec-websocket-key"}
#: In text that is not JSON: a name, what ends it, and the value.
_ASSIGNMENT = re.compile(
    rf"""((?:{_SECRET})s?\\?["']?\s*[:=]\s*)"""
    r"""(?:(?:bearer|basic)[ ])?(?:"[^"]*"?|'[^']*'?|[^\s&,;{}]+)""",
    re.IGNORECASE,
)
#: Opaque positions in lists, which may look like tokens.
_CURSOR = "cursor"


def redacted_headers(headers: dict[str, str]) -> dict[str, str]:
    """Header fields by name, in lower case, without credentials."""
    return {
        redacted_text(name): REDACTED if _is_secret(name) else redacted_text(value)
        for name, value in headers.items()
    }


def redacted_text(text: str) -> str:
    """A text with the prefixes of keys instead of keys, and without session tokens."""
    return _TOKEN.sub(REDACTED, _KEY.sub(lambda found: found[0][:PREFIX_LENGTH] + "…", text))


def redacted_query(query: str) -> str:
    """A query without secrets; what has none is as it was sent."""
    return "&".join(_redacted_pair(pair) for pair in query.split("&"))


def redacted_document(text: str) -> str:
    """A body that is not JSON, without secrets."""
    return redacted_text(_ASSIGNMENT.sub(rf"\g<1>{REDACTED}", text))


def redacted_json(value: Any, member: str = "") -> Any:
    """A JSON value with the prefixes of keys, and without other secrets.

    `member` is the name of the object's member that it is the value of, or is within.
    """
    match value:
        case dict():
            return {
                redacted_text(name): redacted_json(each, member if _is_secret(member) else name)
                for name, each in value.items()
            }
        case list():
            return [redacted_json(each, member) for each in value]
        case str():
            return _redacted_value(member, value)
        case bool() | None:
            return value
        case _:
            return REDACTED if _is_secret(member) else value


def _redacted_pair(pair: str) -> str:
    name, equals, value = pair.partition("=")
    name, value = unquote_plus(name), unquote_plus(value)
    shown = redacted_text(name) + equals + _redacted_value(name, value)
    return pair if shown == name + equals + value else shown


def _redacted_value(name: str, value: str) -> str:
    """The value of something with a name: of a key, its prefix is shown."""
    without_keys = _KEY.sub(lambda found: found[0][:PREFIX_LENGTH] + "…", value)
    if name == _CURSOR or not value:
        return without_keys
    if without_keys == value and _is_secret(name):
        return REDACTED
    return redacted_text(value)


def _is_secret(name: str) -> bool:
    """Whether what has this name is a secret: by its words, in any way of writing them."""
    return name.lower() not in _HARMLESS and any(
        word.lower() in _SECRET_WORDS for word in _WORDS.findall(name)
    )
