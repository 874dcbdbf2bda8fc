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

#: The prefix of cookies' names on https.
SECURE = "__Secure-"

_GONE = "Max-Age=0; "


class SessionCookies:
    """The cookies of all sessions, under one prefix and one signing secret."""

    def __init__(self, signer: Signer, prefix: str = DEFAULT_COOKIE_PREFIX) -> None:
        self._signer = signer
        self._token = f"{prefix}.session_token"
        #: Tells better-auth not to renew this session: `rememberMe: false`.
        self._brief = f"{prefix}.dont_remember"
        #: The names of the cookie with a session's token; the first has precedence.
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
        """`Set-Cookie` fields for the session; with `lasts` None until the browser closes."""
        signed = self._signer.sign(token)
        if lasts is None:
            fields = [(self._token, signed, ""), (self._brief, self._signer.sign("true"), "")]
        else:
            age = f"Max-Age={round(lasts.total_seconds())}; "
            fields = [(self._token, signed, age), (self._brief, "", _GONE)]
        return list(_set_cookies(fields, secure=secure))

    def clear(self, *, secure: bool) -> list[str]:
        """`Set-Cookie` fields that delete the session's cookies."""
        fields = [(self._token, "", _GONE), (self._brief, "", _GONE)]
        return list(_set_cookies(fields, secure=secure))


def _set_cookies(fields: list[tuple[str, str, str]], *, secure: bool) -> Iterator[str]:
    prefix, end = (SECURE, "; Secure") if secure else ("", "")
    for name, value, age in fields:
        yield f"{prefix}{name}={quote(value, safe='')}; {age}Path=/; HttpOnly; SameSite=Lax{end}"
