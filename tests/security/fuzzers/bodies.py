"""`hookstream_keys.contract.schemas.parse_json`: strict JSON, against the standard library."""

import json
from typing import Any

from hookstream_keys.contract.schemas import MAX_DEPTH, parse_json
from hookstream_keys.domain.errors import BadRequest

#: What tells that a text was refused.
REFUSED = object()


def check(data: bytes) -> None:
    """The data as a request's body."""
    try:
        found: Any = parse_json(data)
    except BadRequest:
        found = REFUSED
    expected = _expected(data)
    assert (found is REFUSED) == (expected is REFUSED), data
    if found is not REFUSED:
        assert _same(found, expected), data


def _expected(data: bytes) -> Any:
    try:
        text = data.decode("utf-8")
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        return REFUSED
    return REFUSED if _depth(value) > MAX_DEPTH and _brackets(data) > MAX_DEPTH else value


def _refuse(name: str) -> None:
    raise ValueError(name)


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(text)
    return number


def _brackets(data: bytes) -> int:
    return data.count(b"[") + data.count(b"{")


def _depth(value: Any) -> int:
    inside = value.values() if isinstance(value, dict) else value
    if not isinstance(value, dict | list):
        return 0
    return 1 + max(map(_depth, inside), default=0)


def _same(found: Any, expected: Any) -> bool:
    """Equal, and of equal types; a whole number beyond 64 bits may have become a float."""
    if isinstance(expected, dict):
        return isinstance(found, dict) and (
            found.keys() == expected.keys()
            and all(_same(found[name], expected[name]) for name in expected)
        )
    if isinstance(expected, list):
        return (
            isinstance(found, list)
            and len(found) == len(expected)
            and all(map(_same, found, expected))
        )
    if isinstance(expected, int) and not -(2**63) <= expected < 2**64:
        return isinstance(found, float) and found == float(expected)
    return type(found) is type(expected) and bool(found == expected)
