"""When a request is sent again, and after how long; no input or output here.

An attempt ends in one of three ways. The server certainly did nothing: no connection, 429, or 503
in the API's error format, which promises that. It is not known what happened: the connection broke
off, the response is no JSON, a proxy answered 502, 503 or 504. Or the response is final. After the
first every operation is retried; after the second only one that can be repeated safely.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import httpx

from hookstream_keys_client.errors import (
    ApiError,
    ConnectionFailed,
    HookstreamError,
    InvalidResponse,
)

Effect = Literal["none", "unknown", "final"]

#: Sent nothing of the request.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.LocalProtocolError)
_GATEWAY_ERRORS = {502, 503, 504}


@dataclass(frozen=True)
class Retries:
    """How often and how soon requests are retried.

    The delay before attempt n + 1 is random, up to `first_delay * 2**n` seconds and at most
    `max_delay` (exponential backoff with full jitter), so that clients that failed together do not
    return together. A `Retry-After` is waited for, plus up to `first_delay`; if it is longer than
    `max_retry_after`, the error is raised at once, with `retry_after` set.
    """

    #: Attempts after the first one; 0 for none.
    count: int = 2
    first_delay: float = 0.2
    max_delay: float = 5.0
    max_retry_after: float = 10.0
    #: Random numbers from 0 to 1.
    jitter: Callable[[], float] = field(default=random.random, repr=False)

    def delay(self, attempt: int, error: HookstreamError, *, repeatable: bool) -> float | None:
        """Seconds until the next attempt; None if there is none.

        `attempt` counts from 0. `repeatable`: whether the operation can be carried out twice.
        """
        effect = effect_of(error)
        if attempt >= self.count or effect == "final" or (effect == "unknown" and not repeatable):
            return None
        if isinstance(error, ApiError) and error.retry_after is not None:
            if error.retry_after > self.max_retry_after:
                return None
            return error.retry_after + self.jitter() * self.first_delay
        return self.jitter() * min(self.max_delay, self.first_delay * 2.0**attempt)


def effect_of(error: HookstreamError) -> Effect:
    """What is known of the effect of a request that failed so."""
    match error:
        case ConnectionFailed():
            return "unknown" if error.may_have_happened else "none"
        case ApiError(status=429) | ApiError(status=503, code="unavailable"):
            return "none"
        case ApiError(status=status) if status in _GATEWAY_ERRORS:
            return "unknown"
        case InvalidResponse(status=status) if httpx.codes.is_success(status):
            # The server was there, and the response was damaged after that.
            return "unknown"
        case _:
            return "final"


def connection_failed(error: httpx.RequestError | httpx.InvalidURL, what: str) -> ConnectionFailed:
    """The exception for a request `what`, such as `GET /health`, that got no response.

    The base URL is checked before, so an InvalidURL is that of a redirect.

    It has the text of httpx's exception, and not the exception itself, which has the request.
    """
    # The text of a LocalProtocolError has the header field that is illegal.
    told = "" if isinstance(error, httpx.LocalProtocolError) else str(error)
    return ConnectionFailed(
        ": ".join(filter(None, (what, type(error).__name__, told))),
        may_have_happened=not isinstance(error, _NOT_SENT),
    )
