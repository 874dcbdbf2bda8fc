"""`contract.routes`: which path is an operation's, against one that goes by segments."""

from hookstream_keys.contract import spec
from hookstream_keys.contract.routes import Routes

_DOCUMENT = spec.load()
_ROUTES = Routes(_DOCUMENT)
_PATHS = [(spec.base_path(_DOCUMENT) + path).split("/") for path in _DOCUMENT["paths"]]


def check(data: bytes) -> None:
    """The data as a path, percent-decoded as a server does it."""
    path = data.decode("utf-8", "replace")
    found = _ROUTES.find(path)
    assert (found.path if found else None) == _find(path), path


def _find(path: str) -> str | None:
    """The path of the document with the most segments that are literally the same."""
    if path == "/":
        # The one path with servers of its own.
        return "/v1/"
    segments = path.split("/")
    best: list[str] | None = None
    for known in _PATHS:
        fits = len(known) == len(segments) and all(map(_fits, known, segments))
        if fits and (best is None or _rank(known) < _rank(best)):
            best = known
    return None if best is None else "/".join(best)


def _fits(known: str, segment: str) -> bool:
    head, brace, _ = known.partition("{")
    return segment.startswith(head) and len(segment) > len(head) if brace else segment == known


def _rank(known: list[str]) -> list[bool]:
    return ["{" in segment for segment in known]
