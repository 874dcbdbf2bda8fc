"""Removes secrets from what a client has sent: it may be configured with real ones by mistake."""

import re
from typing import Any

from hookstream_keys.domain.keys import PREFIX_LENGTH

REDACTED = "[redacted]"

_CREDENTIALS = {"authorization", "cookie", "proxy-authorization", "x-api-key"}
#: The members of bodies with a secret.
_SECRET_MEMBERS = {"key", "password", "token"}
_KEY = re.compile(r"hs_(?:live|test)_[0-9a-f]{16,}")


def redacted_headers(headers: dict[str, str]) -> dict[str, str]:
    """Header fields by name, in lower case, without credentials."""
    return {
        name: REDACTED if name in _CREDENTIALS else redacted_text(value)
        for name, value in headers.items()
    }


def redacted_text(text: str) -> str:
    """A text with the prefixes of keys instead of keys."""
    return _KEY.sub(lambda found: found[0][:PREFIX_LENGTH] + "…", text)


def redacted_json(value: Any, member: str = "") -> Any:
    """A JSON value with the prefixes of keys, and without other secrets.

    `member` is the name of the object's member that it is the value of.
    """
    match value:
        case dict():
            return {redacted_text(name): redacted_json(each, name) for name, each in value.items()}
        case list():
            return [redacted_json(each, member) for each in value]
        case str():
            shown = redacted_text(value)
            return REDACTED if shown == value and member in _SECRET_MEMBERS else shown
        case _:
            return value
