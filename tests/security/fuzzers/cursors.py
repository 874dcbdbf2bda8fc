"""`hookstream_keys.domain.cursors`: only output of `encode` is accepted."""

import base64
import json
import string

from hookstream_keys.domain import cursors
from hookstream_keys.domain.errors import BadRequest

_ALPHABET = string.ascii_letters + string.digits + "-_"


def check(data: bytes) -> None:
    """The data as a cursor, and as the sort key that one is made of."""
    text = data.decode("latin-1")
    for parts in (1, 2):
        expected = _key(text, parts)
        try:
            found: tuple[str, ...] | None = cursors.decode(text, parts)
        except BadRequest:
            found = None
        assert found == expected, (text, parts)
    key = tuple(part.decode() for part in bytes(byte & 0x7F for byte in data).split(b"\n", 1))
    cursor = cursors.encode(*key)
    assert all(character in _ALPHABET for character in cursor)
    assert cursors.decode(cursor, len(key)) == key


def _key(text: str, parts: int) -> tuple[str, ...] | None:
    """The sort key whose one and only cursor `text` is, or None."""
    if any(character not in _ALPHABET for character in text) or len(text) % 4 == 1:
        return None
    padded = text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4)
    raw = base64.b64decode(padded)
    if not raw.startswith(b'["') or not raw.endswith(b'"]') or not raw.isascii():
        return None
    try:
        key = json.loads(raw.decode())
    except ValueError:
        return None
    if len(key) != parts or not all(isinstance(part, str) and part.isascii() for part in key):
        return None
    if json.dumps(key, separators=(",", ":")).encode() != raw:
        return None
    # The bits that are left over in the last digit are nothing, so only zero is canonical.
    return tuple(key) if base64.b64encode(raw).decode() == padded else None
