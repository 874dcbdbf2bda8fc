"""`hookstream_keys.domain.keys`: what has a key's form, against a reading of it digit by digit."""

from hookstream_keys.domain import keys

_HEADS = ("hs_live_", "hs_test_")
_DIGITS = "0123456789abcdef"


def check(data: bytes) -> None:
    """The data as a key; and as the random part of one, which is valid until a digit changes."""
    text = data.decode("latin-1")
    assert keys.is_well_formed(text) == _is_key(text), text
    assert len(keys.digest(text)) == 32
    if len(data) < 30:
        return
    body = f"{_HEADS[data[28] & 1]}{data[:28].hex()}"
    key = f"{body}{_crc32(body):08x}"
    assert keys.is_well_formed(key)
    place = 8 + data[29] % 64
    mistyped = f"{key[:place]}{_DIGITS[data[29] // 64 + data[-1] % 13]}{key[place + 1 :]}"
    assert keys.is_well_formed(mistyped) == (mistyped == key), mistyped


def _is_key(text: str) -> bool:
    head, rest = text[:8], text[8:]
    if head not in _HEADS or len(rest) != 64 or any(digit not in _DIGITS for digit in rest):
        return False
    return int(rest[56:], 16) == _crc32(text[:64])


def _crc32(text: str) -> int:
    """CRC-32 of ISO 3309, a byte at a time."""
    crc = 0xFFFFFFFF
    for byte in text.encode("ascii"):
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def _entry(crc: int) -> int:
    for _ in range(8):
        crc = (crc >> 1) ^ (0xEDB88320 if crc & 1 else 0)
    return crc


_TABLE = [_entry(byte) for byte in range(256)]
