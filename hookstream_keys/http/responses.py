"""Responses: headers of every response, the error format, the line in the access log."""

import logging
import time
from collections.abc import Mapping
from functools import cache
from typing import Protocol

import orjson
from starlette.types import Message, Send

from hookstream_keys.context.request import Request
from hookstream_keys.domain.errors import (
    ApiError,
    InternalError,
    QuotaExceeded,
    StoredPerhaps,
    TooExpensive,
    Unavailable,
)
from hookstream_keys.handlers.context import Answer
from hookstream_keys.runtime.logs import add_access_line
from hookstream_keys.store import CommitUnknown, QueryTimeout, QuotaReached, StoreError

log = logging.getLogger("hookstream_keys")

JSON = b"application/json"
REQUEST_ID = b"x-request-id"
RATE_LIMIT = b"ratelimit-limit"
#: The status in the log of a request that is not answered, since its client is gone: nginx's.
CLIENT_CLOSED_REQUEST = 499
#: Browsers do not sniff another media type, so they run no body as a script that is none.
NO_SNIFFING = (b"x-content-type-options", b"nosniff")
CACHE_CONTROL = b"cache-control"
#: Whatever depends on a credential is stored by no cache (RFC 9111, section 3.5). So is a refusal.
NO_STORE = (CACHE_CONTROL, b"no-store")


class Response:
    """Sends a response: adds headers, and records what the log line needs."""

    def __init__(self, request: Request, method: str, send: Send) -> None:
        self.request = request
        #: Header fields that the response gets, whatever it is.
        self.more: list[tuple[bytes, bytes]] = []
        #: The path template of the document. The requested path may contain anything.
        self.path = "-"
        self.bodiless = False
        self.started = False
        self._method = method
        self._status = CLIENT_CLOSED_REQUEST
        self._begun = time.perf_counter()
        self._send = send

    async def __call__(self, message: Message) -> None:
        """Send one ASGI message."""
        if message["type"] == "http.response.start":
            self.started = True
            self._status = message["status"]
            headers: list[tuple[bytes, bytes]] = [
                *message["headers"],
                NO_SNIFFING,
                *self.more,
            ]
            names = dict(headers)
            if REQUEST_ID not in names:
                headers.append((REQUEST_ID, self.request.id.encode()))
            operation = self.request.operation
            if CACHE_CONTROL not in names and (operation is None or not operation.is_page):
                headers.append(NO_STORE)
            if self.request.limit is not None and RATE_LIMIT not in names:
                headers += fields(self.request.limit.headers())
            message = {
                "type": "http.response.start",
                "status": self._status,
                "headers": headers,
            }
        elif self.bodiless:
            message = {**message, "body": b""}
        await self._send(message)

    def elapsed(self) -> float:
        """How long ago the request's header was read, in seconds."""
        return time.perf_counter() - self._begun

    def log(self) -> None:
        """Write the request's line in the access log."""
        reason = self.request.log_reason
        add_access_line(
            f"request_id={self.request.id} method={self._method} path={self.path}"
            f" status={self._status} ms={(time.perf_counter() - self._begun) * 1000:.1f}"
            f"{'' if reason is None else f' reason={reason}'}"
        )


class Sender(Protocol):
    """Sends ASGI messages in response to a request."""

    request: Request

    async def __call__(self, message: Message) -> None:
        """Send one message."""


@cache
def _field_name(name: str) -> bytes:
    """A header field's name as it is sent; cached, since the document has few."""
    return name.lower().encode()


def fields(headers: Mapping[str, str | list[str]]) -> list[tuple[bytes, bytes]]:
    """Headers in ASGI's form; one with a list of values becomes a field for each."""
    found = []
    for name, value in headers.items():
        if isinstance(value, list):
            found += [(_field_name(name), each.encode("latin-1")) for each in value]
        else:
            found.append((_field_name(name), value.encode("latin-1")))
    return found


def error_response(error: ApiError, request_id: str) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The header fields and the body of `error`, in the API's error format."""
    body = orjson.dumps(error.body(request_id))
    headers = [(b"content-type", JSON), (b"content-length", b"%d" % len(body))]
    return headers + fields(error.headers), body


async def send_error(response: Sender, error: ApiError) -> None:
    """Send `error` in the API's error format."""
    headers, body = error_response(error, response.request.id)
    response.request.log_reason = error.log_reason
    await response({"type": "http.response.start", "status": error.status, "headers": headers})
    await response({"type": "http.response.body", "body": body})


def as_api_error(exception: Exception, request: Request) -> ApiError:
    """The `ApiError` for `exception`, whatever raised it."""
    match exception:
        case ApiError():
            return exception
        case QuotaReached():
            # The same of every resource.
            return QuotaExceeded(exception.quota)
        case QueryTimeout():
            # Not the server's fault: it has more to read than a request may take.
            log.warning("request_id=%s %s", request.id, exception)
            return TooExpensive()
        case CommitUnknown():
            log.error("request_id=%s %s", request.id, exception)
            return StoredPerhaps()
        case StoreError():
            log.error("request_id=%s %s", request.id, exception)
            return Unavailable()
        case _:
            return InternalError()


async def respond(request: Request, answer: Answer, send: Send) -> None:
    """Send a handler's answer."""
    body, status, *rest = answer
    # Here as well as in `EdgeMiddleware`: the document requires it of validated responses.
    headers = [(REQUEST_ID, request.id.encode())]
    raw = b""
    if body is not None:
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        headers += [(b"content-type", JSON), (b"content-length", b"%d" % len(raw))]
    headers += fields(rest[0] if rest else {})
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": raw})
