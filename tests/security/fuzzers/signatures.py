"""`hookstream_keys.domain.signing`: nothing passes but what was signed."""

import base64
import hashlib
import hmac

from hookstream_keys.domain.signing import Signer

SECRET = "a secret of the fuzzers, which signs nothing else"
SIGNER = Signer(SECRET)


def check(data: bytes) -> None:
    """The data as a signed text, and as a token that is signed and then spoiled."""
    text = data.decode("latin-1")
    assert SIGNER.unsign(text) == _unsigned(text)
    if not text:
        return
    signed = SIGNER.sign(text)
    assert SIGNER.unsign(signed) == text
    place = data[0] % len(signed)
    spoiled = f"{signed[:place]}{chr(ord(signed[place]) ^ 1 + data[-1] % 127)}{signed[place + 1 :]}"
    assert SIGNER.unsign(spoiled) is None, spoiled
    assert SIGNER.unsign(signed[:-1]) is None
    assert Signer(SECRET + "!").unsign(signed) is None


def _unsigned(text: str) -> str | None:
    end = text.rfind(".")
    if end < 1:
        return None
    mac = hmac.new(SECRET.encode(), text[:end].encode(), hashlib.sha256).digest()
    return text[:end] if text[end + 1 :] == base64.b64encode(mac).decode() else None
