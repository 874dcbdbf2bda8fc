"""`control.yaml`, with what it takes from the API's own document."""

from functools import cache
from importlib import resources
from typing import Any

from hookstream_keys.contract import spec

#: How a reference to the API's document begins.
_API = "../openapi.yaml"


@cache
def document() -> spec.Document:
    """The parsed `control.yaml`, complete in itself, shared: not to be changed.

    References to `openapi.yaml` are resolved, and `OperationId` lists the API's operations.
    """
    text = resources.files("hookstream_keys.sandbox").joinpath("control.yaml").read_bytes()
    read: spec.Document = _resolved(spec.parse(text))
    names = sorted(each.id for each in spec.operations(spec.document()))
    read["components"]["schemas"]["OperationId"]["enum"] = names
    return read


def _resolved(node: Any, *, of_api: bool = False) -> Any:
    """A copy of the node; `of_api` says that its own references are the API's."""
    match node:
        case {"$ref": str(reference)} if of_api or reference.startswith(_API):
            return _resolved(spec.target(spec.document(), reference), of_api=True)
        case dict():
            return {name: _resolved(each, of_api=of_api) for name, each in node.items()}
        case list():
            return [_resolved(each, of_api=of_api) for each in node]
        case _:
            return node
