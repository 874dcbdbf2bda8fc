"""The cookies of a session, as better-auth sets them.

Their names begin with better-auth's `advanced.cookiePrefix`, and on https with `__Secure-`, which
only https can set. A cookie's value is signed: `hookstream_keys.domain.signing`.
"""

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import quote

from hookstream_keys.domain import cookies
from hookstream_keys.domain.signing import Signer
from hookstream_keys.settings import DEFAULT_COOKIE_PREFIX

#: What a cookie's name begins with where the site is https.
SECURE = "__Secure-"

_GONE = "Max-Age=0; "


class SessionCookies:
    """The cookies of all sessions, under one prefix and one signing secret."""

    def __init__(self, signer: Signer, prefix: str = DEFAULT_COOKIE_PREFIX) -> None:
        self._signer = signer
        self._token = f"{prefix}.session_token"
        #: Tells better-auth, which renews a session at any time, that this one is not to be
        #: renewed: `rememberMe: false`.
        self._brief = f"{prefix}.dont_remember"
        #: Where a request has a session's token; a cookie of the first name wins.
        self.names = (SECURE + self._token, self._token)
        self._brief_names = (SECURE + self._brief, self._brief)

    def tokens(self, header: str) -> list[str]:
        """The tokens in a `Cookie` field whose signature is valid."""
        found = map(self._signer.unsign, cookies.read(header, self.names))
        return [token for token in found if token]

    def is_brief(self, header: str) -> bool:
        """Whether a `Cookie` field says that its session is not to be remembered."""
        values = cookies.read(header, self._brief_names)
        return any(self._signer.unsign(value) == "true" for value in values)

    def give(self, token: str, lasts: timedelta | None, *, secure: bool) -> list[str]:
        """`Set-Cookie` fields that give a browser the session, until its window closes for None."""
        signed = self._signer.sign(token)
        if lasts is None:
            fields = [(self._token, signed, ""), (self._brief, self._signer.sign("true"), "")]
        else:
            age = f"Max-Age={round(lasts.total_seconds())}; "
            fields = [(self._token, signed, age), (self._brief, "", _GONE)]
        return list(_set_cookies(fields, secure=secure))

    def clear(self, *, secure: bool) -> list[str]:
        """`Set-Cookie` fields that take the session from a browser."""
        fields = [(self._token, "", _GONE), (self._brief, "", _GONE)]
        return list(_set_cookies(fields, secure=secure))


def _set_cookies(fields: list[tuple[str, str, str]], *, secure: bool) -> Iterator[str]:
    prefix, end = (SECURE, "; Secure") if secure else ("", "")
    for name, value, age in fields:
        yield f"{prefix}{name}={quote(value, safe='')}; {age}Path=/; HttpOnly; SameSite=Lax{end}"
