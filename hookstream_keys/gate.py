"""The first thing that sees a request: names it, bounds it, makes it canonical, and answers errors.

What may pass is decided by the document's paths and methods alone, so that a
request which is no operation never reaches Connexion's router or Flask's, which
match differently. What passes has at most one body of a declared media type,
whole, within the limit, under exactly one `Content-Type`.
"""

import logging
import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hookstream_keys import spec
from hookstream_keys.errors import (
    ApiError,
    BadRequest,
    ContentTooLarge,
    Detail,
    InternalError,
    MethodNotAllowed,
    NotFound,
    RateLimited,
    UnsupportedMediaType,
)
from hookstream_keys.origins import Origins
from hookstream_keys.rate_limiting import RateLimiting
from hookstream_keys.responses import Response, as_api_error, send_error
from hookstream_keys.routes import Routes
from hookstream_keys.store import StoreError

log = logging.getLogger("hookstream_keys")

#: So many bytes of a body over the limit are read and thrown away before the answer: closing on
#: unread bytes resets the connection, and the client never sees the 413.
DRAIN_BYTES = 8 * 1024 * 1024

_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^";\s]*)', re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

Header = tuple[bytes, bytes]


class Gate:
    """An ASGI application around `app`, in front of everything else."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        routes: Routes,
        origins: Origins,
        limiting: RateLimiting,
        max_body_bytes: int,
    ) -> None:
        self.app = app
        self.routes = routes
        self.origins = origins
        self.limiting = limiting
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
            await send_error(response, self._counted(scope, error))
        finally:
            response.log()

    def _counted(self, scope: Scope, error: ApiError) -> ApiError:
        """The error, or that there were too many."""
        try:
            self.limiting.count_error(scope, error)
        except RateLimited as limited:
            return limited
        except StoreError as failure:
            # The answer is an error in any case.
            log.warning("request_id=%s %s", scope["state"]["request_id"], failure)
        return error

    async def _pass(self, scope: Scope, receive: Receive, response: Response) -> None:
        path: str = scope["path"]
        root: str = scope.get("root_path", "")
        method: str = scope["method"]
        route = self.routes.find(path.removeprefix(root) if root else path)
        if route is not None:
            response.path = route.path
            if method == "HEAD" and "GET" in route.operations:
                # RFC 9110, section 9.3.2: the same headers as GET, no content.
                response.bodiless = True
                method = "GET"
        operation = None if route is None else route.operations.get(method)
        self._count(scope, operation)
        if route is None:
            raise NotFound(
                "There is nothing at this address; /v1/openapi.json lists what there is."
            )
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
        if operation.same_site:
            self.origins.refuse_foreign(Headers(scope=scope), scope["scheme"])
        headers, body = await self._canonical(scope["headers"], operation, receive)
        await self.app(
            {**scope, "method": method, "headers": headers}, _replay(body, receive), response
        )

    def _count(self, scope: Scope, operation: spec.Operation | None) -> None:
        """Count a request of nobody in particular, or leave it until it is known whose it is."""
        state = scope["state"]
        state["counted"] = operation is None or operation.rate_limited
        state["secured"] = operation is not None and operation.secured
        if not state["secured"]:
            self.limiting.count_stranger(scope)

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
        while more and seen <= DRAIN_BYTES:
            message = await receive()
            seen += len(message.get("body", b""))
            more = message.get("more_body", False)
        return ContentTooLarge(
            f"The request body is larger than {self.max_body_bytes} bytes.",
            details=[Detail("body", f"is larger than {self.max_body_bytes} bytes")],
            headers={"Connection": "close"},
        )


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
