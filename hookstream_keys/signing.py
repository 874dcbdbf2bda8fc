"""Signed texts as better-auth writes them: what comes back is what was given out, or it is refused.

The text, a dot, and base64 of HMAC-SHA256 over the text, 44 characters (better-auth 1.7,
`better-call`'s signed cookies).
"""

import base64
import hashlib
import hmac


class Signer:
    """Signs what must come back unchanged, and knows its own signature."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def sign(self, token: str) -> str:
        """`token` with its signature: what a cookie holds once it is percent-decoded."""
        return f"{token}.{self._signature(token)}"

    def unsign(self, signed: str) -> str | None:
        """The token in `signed` when the signature is good, or else None."""
        token, dot, signature = signed.rpartition(".")
        if not dot or not token:
            return None
        good = hmac.compare_digest(signature.encode(), self._signature(token).encode())
        return token if good else None

    def derive(self, purpose: str, *parts: bytes) -> bytes:
        """32 bytes that only this secret makes of `parts`, and other ones for each purpose."""
        text = b"".join(b"%d:%s" % (len(part), part) for part in (purpose.encode(), *parts))
        return hmac.digest(self._secret, b"derive " + text, hashlib.sha256)

    def _signature(self, token: str) -> str:
        mac = hmac.digest(self._secret, token.encode(), hashlib.sha256)
        return base64.b64encode(mac).decode("ascii")
