"""The first thing that sees a request: names it, bounds it, makes it canonical, and answers errors.

What may pass is decided by the document's paths and methods alone, so that a
request which is no operation never reaches Connexion's router or Flask's, which
match differently. What passes has at most one body of a declared media type,
whole, within the limit, under exactly one `Content-Type`.
"""

import logging
import re
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import orjson
from connexion.exceptions import OAuthProblem
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hookstream_keys import ids, spec
from hookstream_keys.errors import (
    ApiError,
    BadRequest,
    ContentTooLarge,
    Detail,
    InternalError,
    MethodNotAllowed,
    NotFound,
    Unauthorized,
    Unavailable,
    UnsupportedMediaType,
)
from hookstream_keys.store import StoreError

log = logging.getLogger("hookstream_keys")

#: Of a body over the limit this many limits are read and thrown away before the answer:
#: closing on unread bytes resets the connection, and the client never sees the 413.
DRAIN_FACTOR = 8

_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^";\s]*)', re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CREDENTIALS = {b"x-api-key", b"authorization", b"cookie"}

REQUEST_ID = b"x-request-id"
#: A browser takes a body for what it is said to be, and never runs one that is not a script.
NO_SNIFFING = (b"x-content-type-options", b"nosniff")

Header = tuple[bytes, bytes]


class Route(NamedTuple):
    """A path of the document, and its operations by method."""

    path: str
    matches: Callable[[str], Any]
    operations: dict[str, spec.Operation]

    @property
    def allow(self) -> str:
        """The methods for an `Allow` header: those of the document, HEAD for GET, OPTIONS."""
        methods = set(self.operations) | {"OPTIONS"}
        if "GET" in methods:
            methods.add("HEAD")
        return ", ".join(sorted(methods))


class Routes:
    """The document's paths, most specific first."""

    def __init__(self, document: spec.Document) -> None:
        base = spec.base_path(document)
        by_path: dict[str, Route] = {}
        for operation in spec.operations(document):
            path = base + operation.path
            route = by_path.setdefault(path, Route(path, spec.pattern(path).fullmatch, {}))
            route.operations[operation.method] = operation
        self._literal = {path: route for path, route in by_path.items() if "{" not in path}
        self._templated = [route for path, route in by_path.items() if "{" in path]

    def find(self, path: str) -> Route | None:
        """The route that `path` belongs to; `path` is percent-decoded."""
        route = self._literal.get(path)
        if route is None:
            route = next((route for route in self._templated if route.matches(path)), None)
        return route


class Gate:
    """An ASGI application around `app`, in front of everything else."""

    def __init__(self, app: ASGIApp, *, routes: Routes, max_body_bytes: int) -> None:
        self.app = app
        self.routes = routes
        self.max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or pass on what is no request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        response = Response(scope, send)
        try:
            await self._pass(scope, receive, response)
        except Exception as exception:  # the last resort: every error is answered in the one shape
            error = as_api_error(exception, scope)
            if isinstance(error, InternalError) or response.started:
                log.exception("request_id=%s failed", response.request_id)
            if response.started:
                # Half a response is out; only breaking the connection tells the client.
                raise
            await send_error(response, error)
        finally:
            response.log()

    async def _pass(self, scope: Scope, receive: Receive, response: "Response") -> None:
        path: str = scope["path"]
        root: str = scope.get("root_path", "")
        route = self.routes.find(path.removeprefix(root) if root else path)
        if route is None:
            raise NotFound(
                "There is nothing at this address; /v1/openapi.json lists what there is."
            )
        response.path = route.path
        method: str = scope["method"]
        if method == "HEAD" and "GET" in route.operations:
            # RFC 9110, section 9.3.2: the same headers as GET, no content.
            response.bodiless = True
            method = "GET"
        operation = route.operations.get(method)
        if operation is None:
            if method != "OPTIONS":
                raise MethodNotAllowed(
                    f"This address takes {route.allow}.", headers={"Allow": route.allow}
                )
            await response({"type": "http.response.start", "status": 204,
                            "headers": [(b"allow", route.allow.encode())]})  # fmt: skip
            await response({"type": "http.response.body", "body": b""})
            return
        if _CONTROL.search(path):
            # Connexion's router and Flask's disagree on what a line end at the end is part of.
            raise BadRequest(
                "The request's parameters are not valid.",
                details=[Detail("path", "has a control character")],
            )
        headers, body = await self._canonical(scope["headers"], operation, receive)
        await self.app(
            {**scope, "method": method, "headers": headers}, _replay(body, receive), response
        )

    async def _canonical(
        self, headers: list[Header], operation: spec.Operation, receive: Receive
    ) -> tuple[list[Header], bytes]:
        """The headers as the rest may rely on them, and the body, whole."""
        kept, types, cookies, length, chunked = _sort(headers)
        if length > self.max_body_bytes:
            raise await self._too_large(receive, 0)
        body = await self._read(receive) if length or chunked else b""
        if cookies:
            # RFC 9113, section 8.2.3: several Cookie headers are one.
            kept.append((b"cookie", b"; ".join(cookies)))
        if not operation.consumes:
            # Nobody asked for this body, so nobody gets to parse it.
            return kept, b""
        kept.append((b"content-type", _media_type(types, operation, sent=bool(body))))
        kept.append((b"content-length", b"%d" % len(body)))
        return kept, body

    async def _read(self, receive: Receive) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise BadRequest("The connection closed before the body was complete.")
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > self.max_body_bytes:
                raise await self._too_large(receive, size)
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)

    async def _too_large(self, receive: Receive, seen: int) -> ContentTooLarge:
        more = True
        while more and seen <= DRAIN_FACTOR * self.max_body_bytes:
            message = await receive()
            seen += len(message.get("body", b""))
            more = message.get("more_body", False)
        return ContentTooLarge(
            f"The request body is larger than {self.max_body_bytes} bytes.",
            details=[Detail("body", f"is larger than {self.max_body_bytes} bytes")],
            headers={"Connection": "close"},
        )


class Response:
    """The way out: adds `X-Request-Id` to what is sent, and remembers what the log line needs."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.request_id = ids.new("req")
        #: The path as the document has it. What was really asked for may hold anything.
        self.path = "-"
        self.bodiless = False
        self.started = False
        self._method: str = scope["method"]
        self._status = 0
        self._begun = time.perf_counter()
        self._send = send
        scope.setdefault("state", {})["request_id"] = self.request_id

    async def __call__(self, message: Message) -> None:
        """Send one ASGI message."""
        if message["type"] == "http.response.start":
            self.started = True
            self._status = message["status"]
            headers = [*message["headers"], NO_SNIFFING]
            if not any(name.lower() == REQUEST_ID for name, _ in headers):
                headers.append((REQUEST_ID, self.request_id.encode()))
            message = {**message, "headers": headers}
        elif self.bodiless:
            message = {**message, "body": b""}
        await self._send(message)

    def log(self) -> None:
        """Write the one line that every request leaves in the log."""
        log.info(
            "request_id=%s method=%s path=%s status=%d ms=%.1f",
            self.request_id,
            self._method,
            self.path,
            self._status,
            (time.perf_counter() - self._begun) * 1000,
        )


class Sender(Protocol):
    """Something that sends ASGI messages for the request of this id."""

    request_id: str

    async def __call__(self, message: Message) -> None:
        """Send one message."""


async def send_error(response: Sender, error: ApiError) -> None:
    """Answer `error` in the one shape."""
    body = orjson.dumps(error.body(response.request_id))
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    headers += [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
    await response({"type": "http.response.start", "status": error.status, "headers": headers})
    await response({"type": "http.response.body", "body": body})


def as_api_error(exception: Exception, scope: Scope) -> ApiError:
    """What to answer for `exception`, wherever in the stack it came from."""
    match exception:
        case ApiError():
            return exception
        case StoreError():
            log.error("request_id=%s %s", scope["state"]["request_id"], exception)
            return Unavailable()
        case OAuthProblem():
            # Connexion's word for: no security scheme accepted a credential.
            sent = any(name in _CREDENTIALS for name, _ in scope["headers"])
            return Unauthorized(credential_sent=sent)
        case _:
            return InternalError()


def _sort(headers: list[Header]) -> tuple[list[Header], list[bytes], list[bytes], int, bool]:
    """Headers to keep, Content-Types, Cookies, the declared length, and whether it is chunked."""
    kept: list[Header] = []
    types: list[bytes] = []
    cookies: list[bytes] = []
    length = 0
    chunked = False
    for name, value in headers:
        match name:
            case b"content-type":
                types.append(value)
            case b"cookie":
                cookies.append(value)
            case b"content-length":
                if not value.isdigit():
                    raise BadRequest(
                        "The request's header fields are not valid.",
                        details=[Detail("header/content-length", "is not a number")],
                    )
                length = int(value)
            case b"transfer-encoding":
                chunked = True
            case _:
                kept.append((name, value))
    return kept, types, cookies, length, chunked


def _media_type(types: list[bytes], operation: spec.Operation, *, sent: bool) -> bytes:
    """The one declared media type that the body has. Raises UnsupportedMediaType."""
    if not sent:
        return operation.consumes[0].encode()
    if len(types) == 1:
        text = types[0].decode("latin-1")
        name = text.partition(";")[0].strip().lower()
        charset = _CHARSET.search(text)
        if name in operation.consumes and (
            charset is None or charset[1].lower() in ("utf-8", "utf8")
        ):
            return name.encode()
    raise UnsupportedMediaType(
        f"Send the body as {' or '.join(operation.consumes)}, in UTF-8.",
        details=[Detail("header/content-type", "is missing or not one that is taken here")],
    )


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body as one message, and then what really comes."""
    pending = True

    async def replayed() -> Message:
        nonlocal pending
        if pending:
            pending = False
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return replayed
