"""Errors as exceptions: one class for each status that a program treats differently.

No exception holds a request, a response or another library's exception: those have the credential
in their headers and secrets in their bodies, and error reporters write such objects out.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Detail:
    """One invalid place of a request: `location` such as `body/name`, and what is wrong there."""

    location: str
    message: str


class HookstreamError(Exception):
    """Every error of this package that a request can cause. It can be pickled."""

    def __reduce__(self) -> tuple[object, ...]:
        # An exception is otherwise built again from its message alone.
        return _rebuilt, (type(self), self.args), self.__dict__


class ConnectionFailed(HookstreamError):
    """No response: the connection failed, broke off or timed out.

    `may_have_happened` says whether the server may have carried out the request.
    """

    def __init__(self, message: str, *, may_have_happened: bool) -> None:
        super().__init__(message)
        self.may_have_happened = may_have_happened


class InvalidResponse(HookstreamError):
    """A response that is not the API's: no JSON, a redirect, a page of a proxy."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class ApiError(HookstreamError):
    """An error response of the API, or of a proxy in front of it."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str = "",
        request_id: str | None = None,
        details: tuple[Detail, ...] = (),
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        places = "".join(f"; {detail.location}: {detail.message}" for detail in details)
        named = f" (request_id {request_id})" if request_id else ""
        super().__init__(f"{status} {code}: {message}{places}{named}")
        #: What is wrong, in words.
        self.message = message
        self.status = status
        #: The stable name of the error, a value of `ErrorCode`, or one that a later server adds.
        #: Empty if the response is not in the API's error format.
        self.code = code
        #: The id under which the server's log has the request.
        self.request_id = request_id
        #: The invalid places of the request.
        self.details = details
        #: Seconds to wait before another attempt, if the server names them.
        self.retry_after = retry_after
        #: The `RateLimit-*` headers of the response.
        self.rate_limit = dict(headers or {})


def _rebuilt(cls: type[HookstreamError], args: tuple[object, ...]) -> HookstreamError:
    error = cls.__new__(cls)
    error.args = args
    return error


class BadRequest(ApiError):
    """400: the request is not valid by the document."""


class Unauthorized(ApiError):
    """401: the credential of this client is missing, unknown, revoked or expired."""


class Forbidden(ApiError):
    """403: the credential is valid, but not for this."""


class InsufficientScope(Forbidden):
    """403: the key's scopes do not cover the operation."""


class NotFound(ApiError):
    """404: the resource does not exist, or is not visible to the caller."""


class Conflict(ApiError):
    """409: the state of the resource does not allow this."""


class IdempotencyKeyReused(Conflict):
    """409: the `Idempotency-Key` was used for another request."""


class RateLimited(ApiError):
    """429: a rate limit of the API is exceeded; nothing was done."""


class ServerError(ApiError):
    """5xx: the server, or a proxy in front of it, failed."""


class Unavailable(ServerError):
    """503: the server is overloaded or its database not ready."""


_BY_CODE: dict[str, type[ApiError]] = {
    "insufficient_scope": InsufficientScope,
    "idempotency_key_reused": IdempotencyKeyReused,
}
_BY_STATUS: dict[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    429: RateLimited,
    503: Unavailable,
}
_SERVER_ERROR = 500


def error_class(status: int, code: str) -> type[ApiError]:
    """The class for an error response; the code decides first. Unknown ones get a general class."""
    general = ServerError if status >= _SERVER_ERROR else ApiError
    return _BY_CODE.get(code) or _BY_STATUS.get(status, general)
