"""CSRF protection: whether a request comes from this server's own pages or a trusted origin.

Browsers add a user's cookies to requests of any page. Writes are accepted from trusted pages only.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from hookstream_keys.context.request import Request
from hookstream_keys.domain.errors import Detail, UntrustedOrigin

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class Origins:
    """The accepted origins: the server's own, which is in each request, and `trusted`."""

    def __init__(self, trusted: Iterable[str] = ()) -> None:
        self._trusted = frozenset(trusted)

    def require_trusted(self, request: Request) -> None:
        """Refuse requests that are not known to come from an accepted origin.

        Browsers send it in `Origin`, or else `Sec-Fetch-Site`. Raises UntrustedOrigin.
        """
        origin = request.header(b"origin")
        if origin is None:
            ours = request.header(b"sec-fetch-site") == "same-origin"
        else:
            ours = self._is_ours(origin, request)
        if not ours:
            raise _untrusted(
                "With a session cookie, writes are accepted from this server's own pages or a "
                "trusted origin only. Send an API key, or add the origin to "
                "HOOKSTREAM_TRUSTED_ORIGINS."
            )

    def refuse_untrusted(self, request: Request) -> None:
        """Refuse requests from other sites' pages. Raises UntrustedOrigin.

        A request without an origin does not come from a browser, and passes.
        """
        origin = request.header(b"origin")
        if origin is None:
            foreign = request.header(b"sec-fetch-site") in ("cross-site", "same-site")
        else:
            foreign = not self._is_ours(origin, request)
        if foreign:
            raise _untrusted(
                "Sign-in and sign-out are accepted from this server's own pages or a trusted "
                "origin only. "
                "Add the origin to HOOKSTREAM_TRUSTED_ORIGINS."
            )

    def trust(self, url: str) -> bool:
        """Whether `url` is an accepted redirect: a path of this site, or a trusted origin's URL."""
        if url.startswith("/"):
            # Browsers read a backslash as a slash, and two slashes as another host.
            return not url.startswith(("//", "/\\"))
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        return without_default_port(f"{parts.scheme}://{parts.netloc}") in self._trusted

    def _is_ours(self, origin: str, request: Request) -> bool:
        own = f"{request.scheme}://{request.header(b'host') or ''}".lower()
        same = without_default_port(origin)
        return same == without_default_port(own) or same in self._trusted


def without_default_port(origin: str) -> str:
    """The origin as a browser writes it (RFC 6454, section 6.1); a proxy may add the port.

    Every comparison of origins is of this form.
    """
    scheme = origin.partition(":")[0]
    return origin.removesuffix(_DEFAULT_PORTS.get(scheme, "")).removesuffix(":")


def _untrusted(message: str) -> UntrustedOrigin:
    return UntrustedOrigin(message, details=[Detail("header/origin", "is missing or not trusted")])
