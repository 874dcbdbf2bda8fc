"""Opaque keyset cursors: the sort key of the last row of a page, encoded.

Keyset pagination: the cost of a page does not depend on its depth, and rows that are added
meanwhile neither repeat nor hide another.
"""

import base64
import binascii
import json

from hookstream_keys.domain.errors import BadRequest, Detail


def encode(*parts: str) -> str:
    """The cursor after the row of this sort key, of ASCII: URL-safe base64, without padding."""
    text = json.dumps(parts, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(text: str, parts: int) -> tuple[str, ...]:
    """The sort key, of so many parts. Raises BadRequest for another text than `encode`'s."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        key = json.loads(raw)
    except (ValueError, binascii.Error, RecursionError):
        key = None
    if isinstance(key, list) and len(key) == parts and all(map(_is_part, key)):
        found = tuple(key)
        if encode(*found) == text:
            return found
    raise BadRequest(
        "The request's parameters are not valid.",
        details=[Detail("query/cursor", "is not a cursor of this list")],
    )


def _is_part(part: object) -> bool:
    # A forged one may contain text that the database cannot store.
    return isinstance(part, str) and part.isascii()
