"""The closed form of the document, by which this project validates its own responses.

`openapi.yaml` serves response bodies open (`additionalProperties: true`): a client accepts fields
that a later release adds (docs/compatibility.md). Validated so, a response with an undocumented
field would pass. The closed form forbids it; it is derived from the same file, never written.
"""

import copy
from typing import Any

from hookstream_keys.contract.spec import Document


def closed_responses(document: Document) -> Document:
    """A copy of `document` whose response bodies have documented fields only.

    Every object schema with `additionalProperties: true` and `properties` gets
    `additionalProperties: false`. Unchanged are objects without `properties`, whose fields are not
    described, and those with `x-free-form: true`, of whose fields some are. Request bodies are
    closed already; tests/unit/test_closed_responses.py holds that no schema is used for both.
    """
    closed = copy.deepcopy(document)
    _close(closed)
    return closed


def _close(node: Any) -> None:
    if isinstance(node, list):
        for part in node:
            _close(part)
    elif isinstance(node, dict):
        if _is_described(node):
            node["additionalProperties"] = False
        for name, part in node.items():
            # An example is data, though it may look like a schema.
            if name not in ("example", "examples"):
                _close(part)


def _is_described(node: dict[str, Any]) -> bool:
    return (
        node.get("additionalProperties") is True
        and "properties" in node
        and not node.get("x-free-form")
    )
