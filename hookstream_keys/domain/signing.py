"""Signed texts as better-auth writes them: what comes back is what was given out, or it is refused.

The text, a dot, and base64 of HMAC-SHA256 over the text, 44 characters (better-auth 1.7,
`better-call`'s signed cookies).
"""

import base64
import hashlib
import hmac


class Signer:
    """Signs what must come back unchanged, and knows its own signature.

    The first secret signs; the others are older ones, whose signatures are still good.
    """

    def __init__(self, secret: str, *older: str) -> None:
        self._secrets = tuple(each.encode() for each in (secret, *older))
        #: A signer for each of the older secrets, the newest of them first.
        self.older = tuple(Signer(each) for each in older)

    def sign(self, token: str) -> str:
        """`token` with its signature: what a cookie holds once it is percent-decoded."""
        return f"{token}.{_signature(self._secrets[0], token)}"

    def unsign(self, signed: str) -> str | None:
        """The token in `signed` when the signature is good by one of the secrets, or else None."""
        token, dot, signature = signed.rpartition(".")
        if not dot or not token:
            return None
        given = signature.encode()
        for secret in self._secrets:
            if hmac.compare_digest(given, _signature(secret, token).encode()):
                return token
        return None

    def derive(self, purpose: str, *parts: bytes) -> bytes:
        """32 bytes that only the first secret makes of `parts`, and others for each purpose."""
        text = b"".join(b"%d:%s" % (len(part), part) for part in (purpose.encode(), *parts))
        return hmac.digest(self._secrets[0], b"derive " + text, hashlib.sha256)


def _signature(secret: bytes, token: str) -> str:
    mac = hmac.digest(secret, token.encode(), hashlib.sha256)
    return base64.b64encode(mac).decode("ascii")
