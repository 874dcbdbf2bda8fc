"""`openapi.yaml` as the server runs from it.

Connexion gets the parsed document, never a path: it would render the file as a template first.
"""

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import Any

import yaml

METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")

#: The parameter of idempotent operations.
IDEMPOTENCY_KEY = "#/components/parameters/IdempotencyKey"

_PARAMETER = re.compile(r"\{[^}]*\}")

Document = dict[str, Any]


@dataclass(frozen=True)
class Operation:
    """One method on one path."""

    id: str
    method: str
    path: str
    #: The media types that the body may have; empty when there is no body.
    consumes: tuple[str, ...]
    secured: bool
    #: Whether the credential is optional.
    optional: bool
    #: What the caller's scopes, or those of its role, must cover; None where no scope is required.
    required_scope: str | None
    #: Whether requests from other sites' pages are refused.
    same_site: bool
    #: Whether it counts for the rate limit of the API.
    rate_limited: bool
    #: Whether it counts for the rate limit of verification, instead.
    verifies: bool
    #: The list in the body whose entries are counted, in place of the request.
    counted_entries: str | None
    #: Whether it accepts an `Idempotency-Key`.
    idempotent: bool
    #: Whether it accepts an `If-Match`.
    conditional: bool
    #: Whether it may be answered 503.
    may_be_unavailable: bool
    #: Whether it is a documentation page or its asset, not a part of the API.
    is_page: bool

    @cached_property
    def consumed(self) -> frozenset[bytes | None]:
        """The media types as values of `Content-Type` without parameters."""
        return frozenset(name.encode() for name in self.consumes)


@cache
def source() -> bytes:
    """The file's bytes."""
    return resources.files("hookstream_keys").joinpath("openapi.yaml").read_bytes()


@cache
def document() -> Document:
    """The parsed file, shared: not to be changed."""
    return parse(source())


def parse(text: bytes) -> Document:
    """An OpenAPI document in YAML."""
    # The loader in C, where PyYAML was built with it, is twenty times faster.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    read: Document = yaml.load(text, loader)  # noqa: S506 - either is the safe loader
    return read


def load() -> Document:
    """A copy of the document, with the most specific paths first.

    Connexion's router selects the first path that matches, Flask's the most specific; in this
    order both select the same.
    """
    loaded = copy.deepcopy(document())
    loaded["paths"] = dict(sorted(loaded["paths"].items(), key=lambda item: specificity(item[0])))
    return loaded


def base_path(document: Document) -> str:
    """The path under which everything is served: that of the first server."""
    url: str = document["servers"][0]["url"]
    return url.rstrip("/")


def urls_of_paths(document: Document) -> Iterator[tuple[str, str]]:
    """The URLs of paths that have servers of their own, each with its path in the document.

    Such a path has no parameters.
    """
    for path, item in document["paths"].items():
        for server in item.get("servers", []):
            yield server["url"].rstrip("/") + path, path


def operations(document: Document) -> Iterator[Operation]:
    """Every operation, in the document's order."""
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                operation = item[method]
                yield Operation(
                    id=operation["operationId"],
                    method=method.upper(),
                    path=path,
                    consumes=tuple(operation.get("requestBody", {}).get("content", {})),
                    secured=bool(operation.get("security", document.get("security"))),
                    optional={} in operation.get("security", document.get("security", [])),
                    required_scope=operation.get("x-required-scope"),
                    same_site=operation.get("x-same-site", False),
                    rate_limited=operation.get("x-rate-limited", not _verifies(operation)),
                    verifies=_verifies(operation),
                    counted_entries=operation.get("x-rate-limit-entries"),
                    may_be_unavailable="503" in operation.get("responses", {}),
                    is_page="Documentation" in operation.get("tags", []),
                    idempotent={"$ref": IDEMPOTENCY_KEY} in operation.get("parameters", []),
                    conditional=operation.get("x-conditional", False),
                )


def _verifies(operation: dict[str, Any]) -> bool:
    return operation.get("x-rate-limit") == "verification"


def operation(operation_id: str) -> Operation:
    """The operation of this id. Raises KeyError when there is none."""
    return _by_id()[operation_id]


@cache
def _by_id() -> dict[str, Operation]:
    return {each.id: each for each in operations(document())}


def request_schema(document: Document, operation_id: str) -> dict[str, Any]:
    """The JSON schema of an operation's request body, without references.

    Raises KeyError when it has none.
    """
    _, operation = operation_of(document, operation_id)
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    resolved: dict[str, Any] = _resolved(document, schema)
    return resolved


def parameters(document: Document, operation_id: str) -> list[dict[str, Any]]:
    """The parameters of an operation, those of its path first, without references.

    Raises KeyError when there is no such operation.
    """
    item, operation = operation_of(document, operation_id)
    stated = [*item.get("parameters", []), *operation.get("parameters", [])]
    resolved: list[dict[str, Any]] = _resolved(document, stated)
    return resolved


def operation_of(document: Document, operation_id: str) -> tuple[Document, Document]:
    """The path item of an operation, and the operation. Raises KeyError when there is none."""
    for item in document["paths"].values():
        for method in METHODS:
            operation = item.get(method, {})
            if operation.get("operationId") == operation_id:
                return item, operation
    raise KeyError(operation_id)


def target(document: Document, reference: str) -> Any:
    """What a reference to a part of the document, such as `#/components/schemas/Id`, refers to.

    A file before the `#` is ignored. Raises KeyError when there is no such part.
    """
    found: Any = document
    for name in reference.partition("#/")[2].split("/"):
        found = found[name]
    return found


def _resolved(document: Document, node: Any) -> Any:
    if isinstance(node, list):
        return [_resolved(document, part) for part in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _resolved(document, target(document, node["$ref"]))
    return {name: _resolved(document, part) for name, part in node.items()}


def specificity(path: str) -> list[tuple[int, int]]:
    """Sorts paths as OpenAPI wants them matched: literal segments before templated ones."""
    return [_segment_rank(segment) for segment in path.split("/")]


def pattern(path: str) -> re.Pattern[str]:
    """The pattern that a request's path must match entirely to be `path`."""
    literals = _PARAMETER.split(path)
    return re.compile("[^/]+".join(re.escape(literal) for literal in literals))


def _segment_rank(segment: str) -> tuple[int, int]:
    literal = _PARAMETER.sub("", segment)
    if literal == segment:
        return 0, 0
    # Of two templates the one with more literal text is the more specific. Flask ranks segments
    # with text on both sides of a parameter differently; a test keeps them out.
    return (1 if literal else 2), -len(literal)
