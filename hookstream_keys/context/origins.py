"""Whether a request comes from a page of this server, or of a site that the operator trusts.

A browser adds a user's cookies to requests of any page. What may change something for
her must come from a page that she can trust.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from hookstream_keys.context.request import Request
from hookstream_keys.domain.errors import Detail, UntrustedOrigin


class Origins:
    """The origins that are ours: the server's own, which each request tells, and `trusted`."""

    def __init__(self, trusted: Iterable[str] = ()) -> None:
        self._trusted = frozenset(trusted)

    def require_ours(self, request: Request) -> None:
        """Refuse what a browser does not say to come from a page of ours.

        It says so in `Origin`, or where it sends none in `Sec-Fetch-Site`. Raises UntrustedOrigin.
        """
        origin = request.header(b"origin")
        if origin is None:
            ours = request.header(b"sec-fetch-site") == "same-origin"
        else:
            ours = self._is_ours(origin, request)
        if not ours:
            raise _untrusted(
                "A session cookie changes something only from this server's own pages or a trusted "
                "origin. Send an API key, or add the origin to HOOKSTREAM_TRUSTED_ORIGINS."
            )

    def refuse_foreign(self, request: Request) -> None:
        """Refuse what a browser says to come from another site. Raises UntrustedOrigin.

        What does not say where it comes from is no browser, and passes.
        """
        origin = request.header(b"origin")
        if origin is None:
            foreign = request.header(b"sec-fetch-site") in ("cross-site", "same-site")
        else:
            foreign = not self._is_ours(origin, request)
        if foreign:
            raise _untrusted(
                "Only pages of this server's own or of a trusted origin sign anybody in or out. "
                "Add the origin to HOOKSTREAM_TRUSTED_ORIGINS."
            )

    def trust(self, url: str) -> bool:
        """Whether somebody may be sent on to `url`: a path of this site, or a trusted origin's."""
        if url.startswith("/"):
            # Browsers take a backslash for a slash, and two slashes for another host.
            return not url.startswith(("//", "/\\"))
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        return f"{parts.scheme}://{parts.netloc}" in self._trusted

    def _is_ours(self, origin: str, request: Request) -> bool:
        own = f"{request.scheme}://{request.header(b'host') or ''}".lower()
        return origin == own or origin in self._trusted


def _untrusted(message: str) -> UntrustedOrigin:
    return UntrustedOrigin(message, details=[Detail("header/origin", "is missing or not trusted")])
