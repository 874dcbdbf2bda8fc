"""Parts of statements, and values as columns store them."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson


def to_json(value: Mapping[str, Any] | Sequence[str | int]) -> str:
    """What a column holds of an object: JSON, with an array for every tuple, named or not.

    Also of a list of texts or numbers, as `json_each` takes it.
    """
    return orjson.dumps(value, default=tuple).decode()


def assignments(changes: Mapping[str, Any], columns: Mapping[str, str] | None = None) -> str:
    """The assignments of `update … set`, each bound by the field's name."""
    return ", ".join(f"{(columns or {}).get(name, name)} = :{name}" for name in changes)
