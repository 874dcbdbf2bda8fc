"""CORS: which pages of other origins may read responses, in the browsers of signed-in users.

Those of HOOKSTREAM_TRUSTED_ORIGINS, with cookies; no other, and never `*`. It is no protection of
writes: `hookstream_keys.context.origins` refuses those.

The protocol: https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from collections.abc import Iterable

from hookstream_keys.context.origins import without_default_port
from hookstream_keys.context.request import Request

Fields = list[tuple[bytes, bytes]]

#: Fields of a request that a page may set.
REQUEST_FIELDS = ("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "X-API-Key")

#: Fields of a response that a page may read, besides those that every page may.
RESPONSE_FIELDS = (
    "ETag",
    "Idempotency-Replayed",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Retry-After",
    "Set-Auth-Token",
    "WWW-Authenticate",
    "X-Key-Expires-At",
    "X-Request-Id",
    "X-Revoked-Keys",
    "X-Rotated-Keys",
)

#: How long a browser may remember the answer to a preflight request, in seconds.
MAX_AGE = 600

#: For caches: another origin gets another response.
_VARY = (b"vary", b"Origin")
_EXPOSED = (b"access-control-expose-headers", ", ".join(RESPONSE_FIELDS).encode())
_CREDENTIALS = (b"access-control-allow-credentials", b"true")


class Cors:
    """The permissions of pages of the origins `trusted`."""

    def __init__(self, trusted: Iterable[str]) -> None:
        self._trusted = frozenset(trusted)

    def fields(self, request: Request) -> Fields:
        """The fields that the response to a request gets, whatever it is."""
        origin = self._trusted_origin(request)
        if origin is None:
            return [_VARY]
        return [_VARY, (b"access-control-allow-origin", origin.encode()), _CREDENTIALS, _EXPOSED]

    def is_preflight(self, request: Request) -> bool:
        """Whether by OPTIONS a browser asks what a page of a trusted origin may send."""
        return (
            self._trusted_origin(request) is not None
            and b"access-control-request-method" in request.headers
        )

    def _trusted_origin(self, request: Request) -> str | None:
        """The origin of the page that sends the request, in the form that its browser compares."""
        origin = request.header(b"origin")
        if origin is None:
            return None
        origin = without_default_port(origin)
        return origin if origin in self._trusted else None

    @staticmethod
    def preflight(methods: str) -> Fields:
        """The further fields of the answer to a preflight request, at a path with these methods."""
        return [
            (b"access-control-allow-methods", methods.encode()),
            (b"access-control-allow-headers", ", ".join(REQUEST_FIELDS).encode()),
            (b"access-control-max-age", str(MAX_AGE).encode()),
        ]
