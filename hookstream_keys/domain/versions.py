"""Versions of resources: `ETag` and `If-Match` (RFC 9110, sections 8.8.3 and 13.1.1).

A version is a hash of what the resource is, so it needs no column, and holds for organizations that
better-auth changes in the same table. Two changes that undo each other lead back to a version.
"""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from typing import Any

_ENTITY_TAG = r'(W/)?("[\x21\x23-\x7e]*")'
_TAG = re.compile(_ENTITY_TAG)
_IF_MATCH = re.compile(rf"\*|{_ENTITY_TAG}([ \t]*,[ \t]*{_ENTITY_TAG})*")
#: How many hexadecimal digits of the hash are shown: 128 bits.
_DIGITS = 32


def version_of(shown: Mapping[str, Any], *, without: Collection[str] = ()) -> str:
    """The entity tag of a resource that is shown as JSON, apart from the members `without`."""
    content = {name: value for name, value in shown.items() if name not in without}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]}"'


def is_if_match(text: str) -> bool:
    """Whether the text is a value of `If-Match`: `*`, or entity tags separated by commas."""
    return _IF_MATCH.fullmatch(text) is not None


def matches(if_match: str, version: str) -> bool:
    """Whether a value of `If-Match` names this version.

    The comparison is strong: a weak tag (`W/`) never matches.
    """
    if if_match == "*":
        return True
    return any(tag == version and not weak for weak, tag in _TAG.findall(if_match))
