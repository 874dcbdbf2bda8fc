"""The document itself, Swagger UI and the reference, from the package's own files."""

from functools import cache, lru_cache
from importlib import resources
from pathlib import PurePath

from hookstream_keys.contract.served_document import ServedDocument
from hookstream_keys.domain import versions
from hookstream_keys.handlers.context import Answer

_PACKAGE = resources.files("hookstream_keys")

#: The folders of the pages.
_SWAGGER_UI, _REFERENCE = "swagger_ui", "reference"

_TYPES = {".css": "text/css", ".js": "text/javascript", ".png": "image/png"}

#: The page loads its own files and calls its own server, nothing inline; `data:` is for the icons
#: in Swagger UI's style sheet.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

#: Of the one inline style sheet that Stoplight Elements adds, Font Awesome's rules for its icons;
#: `tests/browser/test_reference.py` fails when an upgrade changes it.
ICON_STYLES = "'sha256-MBVp6JYxbC/wICelYC6eULCRpgi9kGezXXSaq/TS2+I='"

#: The same for the reference.
REFERENCE_POLICY = CONTENT_SECURITY_POLICY.replace(
    "style-src 'self'", f"style-src 'self' {ICON_STYLES}"
)


def get_openapi_yaml(served: ServedDocument) -> Answer:
    """The document as it is written."""
    return _document(served.as_yaml, "application/yaml")


def get_openapi_json(served: ServedDocument) -> Answer:
    """The same document in JSON."""
    return _document(served.as_json, "application/json")


def redirect_to_swagger_ui(_: ServedDocument) -> Answer:
    """Redirect to the path with a slash, which the page's links need."""
    return None, 308, {"Location": "ui/"}


def get_swagger_ui(_: ServedDocument) -> Answer:
    """The page."""
    return _page(_SWAGGER_UI, CONTENT_SECURITY_POLICY)


def get_swagger_ui_asset(_: ServedDocument, asset: str) -> Answer:
    """A script, a style sheet or an icon of the page."""
    return _asset(_SWAGGER_UI, asset, CONTENT_SECURITY_POLICY)


def redirect_to_reference(served: ServedDocument) -> Answer:
    """Redirect to the reference, by its absolute path: this is answered at two URLs."""
    return None, 302, {"Location": f"{served.base_path}/reference"}


def get_reference(_: ServedDocument) -> Answer:
    """The reference's page."""
    return _page(_REFERENCE, REFERENCE_POLICY)


def get_reference_asset(_: ServedDocument, asset: str) -> Answer:
    """A script or style sheet of the reference."""
    return _asset(_REFERENCE, asset, REFERENCE_POLICY)


def _document(content: bytes, content_type: str) -> Answer:
    # A cache may store it, and asks each time whether it has changed: an upgrade changes it.
    headers = {"ETag": _tag(content), "Cache-Control": "no-cache"}
    return content, 200, {"Content-Type": content_type, **headers}


#: Of the two documents, and a few below proxies' paths.
_tag = lru_cache(maxsize=8)(versions.tag_of)


def _page(folder: str, policy: str) -> Answer:
    return _read(folder, "index.html"), 200, {"Content-Type": "text/html", **_headers(policy)}


def _asset(folder: str, name: str, policy: str) -> Answer:
    content_type = _TYPES[PurePath(name).suffix]
    headers = {"Content-Type": content_type, "Cache-Control": "max-age=3600", **_headers(policy)}
    return _read(folder, name), 200, headers


def _headers(policy: str) -> dict[str, str]:
    return {"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"}


@cache
def _read(folder: str, name: str) -> bytes:
    return (_PACKAGE / folder / name).read_bytes()
