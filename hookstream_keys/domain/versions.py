"""Versions of resources: `ETag`, `If-Match`, `If-None-Match` (RFC 9110, sections 8.8.3 and 13.1).

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
    return tag_of(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())


def tag_of(content: bytes) -> str:
    """The strong entity tag of these bytes."""
    return f'"{hashlib.sha256(content).hexdigest()[:_DIGITS]}"'


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


def is_known(if_none_match: str, tag: str) -> bool:
    """Whether a value of `If-None-Match` names the tag: a cache has this version already.

    The comparison is weak (RFC 9110, section 13.1.2): a proxy that compresses makes tags weak.
    """
    if not is_if_match(if_none_match):
        return False
    return if_none_match == "*" or any(known == tag for _, known in _TAG.findall(if_none_match))
