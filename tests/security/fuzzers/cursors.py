"""`hookstream_keys.domain.cursors`: only output of `encode` is accepted, and all of it."""

import string

from hookstream_keys.domain import cursors
from hookstream_keys.domain.errors import BadRequest

_ID = string.ascii_letters + string.digits + "-_"
#: How many digits a timestamp has, and how long an ID may be.
_DIGITS, _LONGEST = 17, 64


def check(data: bytes) -> None:
    """The data as a cursor, and as the ID that one ends with."""
    text = data.decode("latin-1")
    try:
        found: tuple[str, str] | None = cursors.decode(text)
    except BadRequest:
        found = None
    assert found == _key(text), text
    row_id = "".join(_ID[byte % len(_ID)] for byte in data[:_LONGEST]) or "0"
    key = "2026-11-24T12:00:00.000Z", row_id
    assert cursors.decode(cursors.encode(*key)) == key


def _key(text: str) -> tuple[str, str] | None:
    """The sort key whose one and only cursor `text` is, or None."""
    digits, row_id = text[:_DIGITS], text[_DIGITS + 1 :]
    if len(digits) < _DIGITS or not set(digits) <= set(string.digits):
        return None
    if text[_DIGITS : _DIGITS + 1] != "-" or not set(row_id) <= set(_ID):
        return None
    if not 1 <= len(row_id) <= _LONGEST:
        return None
    date = f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}"
    return f"{date}T{digits[8:10]}:{digits[10:12]}:{digits[12:14]}.{digits[14:]}Z", row_id
