"""Session tokens as better-auth writes them into cookies and takes them as bearer tokens.

Signed form: the token, a dot, and base64 of HMAC-SHA256 over the token
(better-auth 1.7, `better-call`'s signed cookies). The signature is 44 characters.
"""

import base64
import hashlib
import hmac

COOKIE = "better-auth.session_token"
#: The cookie's name where the site is https.
SECURE_COOKIE = "__Secure-better-auth.session_token"


def sign(token: str, secret: str) -> str:
    """`token` with its signature under `secret`: what a cookie holds once percent-decoded."""
    return f"{token}.{_signature(token, secret)}"


def unsign(signed: str, secret: str) -> str | None:
    """The token in `signed` when the signature is `secret`'s, or else None."""
    token, dot, signature = signed.rpartition(".")
    if not dot or not token:
        return None
    expected = _signature(token, secret)
    return token if hmac.compare_digest(signature.encode(), expected.encode()) else None


def _signature(token: str, secret: str) -> str:
    mac = hmac.digest(secret.encode(), token.encode(), hashlib.sha256)
    return base64.b64encode(mac).decode("ascii")
