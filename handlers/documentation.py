"""The document itself and Swagger UI, from the package's own files."""

from functools import cache
from importlib import resources
from pathlib import PurePath

from hookstream_keys.contract.served_document import ServedDocument
from hookstream_keys.handlers.context import Answer

_ASSETS = resources.files("hookstream_keys") / "swagger_ui"

_TYPES = {".css": "text/css", ".js": "text/javascript", ".png": "image/png"}

#: The page loads its own files and calls its own server, nothing inline; `data:` is for the icons
#: in Swagger UI's style sheet.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_PAGE_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",
}


def get_openapi_yaml(served: ServedDocument) -> Answer:
    """The document as it is written."""
    return served.as_yaml, 200, {"Content-Type": "application/yaml"}


def get_openapi_json(served: ServedDocument) -> Answer:
    """The same document in JSON."""
    return served.as_json, 200, {"Content-Type": "application/json"}


def redirect_to_swagger_ui(_: ServedDocument) -> Answer:
    """Redirect to the path with a slash, which the page's links need."""
    return None, 308, {"Location": "ui/"}


def get_swagger_ui(_: ServedDocument) -> Answer:
    """The page."""
    return _read("index.html"), 200, {"Content-Type": "text/html", **_PAGE_HEADERS}


def get_swagger_ui_asset(_: ServedDocument, asset: str) -> Answer:
    """A script, a style sheet or an icon of the page."""
    content_type = _TYPES[PurePath(asset).suffix]
    headers = {"Content-Type": content_type, "Cache-Control": "max-age=3600", **_PAGE_HEADERS}
    return _read(asset), 200, headers


@cache
def _read(name: str) -> bytes:
    return (_ASSETS / name).read_bytes()
