"""Signed texts as better-auth writes them.

The text, a dot, and base64 of HMAC-SHA256 over the text, 44 characters (better-auth 1.7,
`better-call`'s signed cookies).
"""

import base64
import hashlib
import hmac


class Signer:
    """Signs texts and verifies signatures.

    The first secret signs; signatures by the others, older ones, are still valid.
    """

    def __init__(self, secret: str, *older: str) -> None:
        self._secrets = tuple(each.encode() for each in (secret, *older))
        #: A signer for each of the older secrets, the newest of them first.
        self.older = tuple(Signer(each) for each in older)

    def sign(self, token: str) -> str:
        """`token` with its signature: a cookie's value before percent-encoding."""
        return f"{token}.{_signature(self._secrets[0], token)}"

    def unsign(self, signed: str) -> str | None:
        """The token in `signed` when its signature by one of the secrets is valid, or else None."""
        token, dot, signature = signed.rpartition(".")
        if not dot or not token:
            return None
        given = signature.encode()
        for secret in self._secrets:
            if hmac.compare_digest(given, _signature(secret, token).encode()):
                return token
        return None

    def fingerprints(self) -> tuple[str, ...]:
        """Of each secret a text that tells whether another one is the same, and not what it is."""
        return tuple(each.derive("fingerprint")[:16].hex() for each in (self, *self.older))

    def derive(self, purpose: str, *parts: bytes) -> bytes:
        """A key of 32 bytes, derived from the first secret, the purpose and `parts`."""
        text = b"".join(b"%d:%s" % (len(part), part) for part in (purpose.encode(), *parts))
        return hmac.digest(self._secrets[0], b"derive " + text, hashlib.sha256)


def _signature(secret: bytes, token: str) -> str:
    mac = hmac.digest(secret, token.encode(), hashlib.sha256)
    return base64.b64encode(mac).decode("ascii")
