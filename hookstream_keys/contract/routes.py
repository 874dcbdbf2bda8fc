"""The document's paths and methods: everything else is 404 or 405."""

from collections.abc import Callable
from typing import Any, NamedTuple

from hookstream_keys.contract import spec


class Route(NamedTuple):
    """A path of the document, and its operations by method."""

    path: str
    matches: Callable[[str], Any]
    operations: dict[str, spec.Operation]

    @property
    def allow(self) -> str:
        """The methods for an `Allow` header: those of the document, HEAD for GET, OPTIONS."""
        methods = set(self.operations) | {"OPTIONS"}
        if "GET" in methods:
            methods.add("HEAD")
        return ", ".join(sorted(methods))


class Routes:
    """The document's paths, most specific first."""

    def __init__(self, document: spec.Document) -> None:
        base = spec.base_path(document)
        #: Where the document itself is.
        self.document_url = f"{base}/openapi.json"
        by_path: dict[str, Route] = {}
        for operation in spec.operations(document):
            path = base + operation.path
            route = by_path.setdefault(path, Route(path, spec.pattern(path).fullmatch, {}))
            route.operations[operation.method] = operation
        self._literal = {path: route for path, route in by_path.items() if "{" not in path}
        for url, path in spec.urls_of_paths(document):
            self._literal[url] = by_path[base + path]
        self._templated = [route for path, route in by_path.items() if "{" in path]

    def find(self, path: str, raw: bytes = b"") -> Route | None:
        """The route that `path` belongs to, which is `raw`, as it was sent, percent-decoded."""
        if b"%2f" in raw.lower():
            # No name has a slash in it: a proxy may route the decoded path elsewhere.
            return None
        route = self._literal.get(path)
        if route is None:
            route = next((route for route in self._templated if route.matches(path)), None)
        return route
