"""Protects the control API from pages in a developer's browser: it takes no credential.

A page of another site may send requests to a loopback address (CSRF), and a name that its owner
points to that address makes them requests to the page's own site (DNS rebinding). So the host must
be a loopback address by itself, and the request must come from no page, or from one of that host.
"""

import ipaddress
from urllib.parse import urlsplit

from hookstream_keys.context.request import Request
from hookstream_keys.domain.errors import Detail, UntrustedOrigin


def require_local(request: Request) -> None:
    """Refuse a request that a page of another site may have sent. Raises UntrustedOrigin."""
    host = request.header(b"host") or ""
    if not is_loopback(urlsplit(f"//{host}").hostname or ""):
        raise _refused("header/host", "is not a loopback address or localhost")
    origin = request.header(b"origin")
    if origin is not None and origin != f"{request.scheme}://{host}":
        raise _refused("header/origin", "is another site than the host")
    if request.header(b"sec-fetch-site") not in (None, "none", "same-origin"):
        raise _refused("header/sec-fetch-site", "says that another site's page sent the request")


def is_loopback(host: str) -> bool:
    """Whether a host is a loopback address, or `localhost`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refused(location: str, message: str) -> UntrustedOrigin:
    return UntrustedOrigin(
        "The control API is for programs on this machine, and for pages of this sandbox.",
        details=[Detail(location, message)],
    )
