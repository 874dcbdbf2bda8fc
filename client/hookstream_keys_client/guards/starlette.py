"""A guard for ASGI applications: Starlette, and whatever else speaks ASGI."""

from collections.abc import Callable, Collection, Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hookstream_keys_client.client import AsyncClient
from hookstream_keys_client.guards.decision import (
    Principal,
    Rejected,
    Rules,
    check_async,
    required_scopes,
)

#: Where the principal is in `request.state`.
STATE = "api_key"

#: WebSocket close code 1008: policy violation (RFC 6455, section 7.4.1).
POLICY_VIOLATION = 1008


def peer_address(connection: HTTPConnection) -> str | None:
    """The address that the server names as the client's.

    Behind a proxy that is the proxy's, unless the server is told to trust it, such as uvicorn by
    `--forwarded-allow-ips`.
    """
    return connection.client.host if connection.client else None


class KeyMiddleware:
    """ASGI middleware: every HTTP request and WebSocket needs a valid key.

    `scopes` is what the key must cover, or a function that returns it for an ASGI scope, such as by
    method and path. Requests for one of the `public` paths, exactly, pass without a key. `address`
    returns the end client's address. The view finds the `Principal` in `request.state.api_key`. A
    WebSocket without a valid key is closed before it is accepted, which servers answer with 403.
    Raises ValueError for scopes that are none.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        client: AsyncClient,
        scopes: str | Callable[[Scope], str | None] | None = None,
        public: Collection[str] = (),
        address: Callable[[HTTPConnection], str | None] = peer_address,
        rules: Rules | None = None,
    ) -> None:
        self._app = app
        self._client = client
        self._scopes = scopes if callable(scopes) else required_scopes(scopes)
        self._public = frozenset(public)
        self._address = address
        self._rules = Rules() if rules is None else rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection. Raises ValueError for a kind of ASGI scope that is not known."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] not in {"http", "websocket"}:
            raise ValueError(f"no guard for ASGI scopes of type {scope['type']!r}")
        if scope["type"] == "http" and scope["path"] in self._public:
            await self._app(scope, receive, send)
            return
        try:
            principal = await self._check(scope)
        except Rejected as rejected:
            await _reject(rejected, scope, receive, send)
            return
        scope.setdefault("state", {})[STATE] = principal
        await self._app(scope, receive, _with_headers(send, principal.rate_limit_headers))

    async def _check(self, scope: Scope) -> Principal:
        connection = HTTPConnection(scope)
        scopes = self._scopes
        return await check_async(
            self._client,
            self._rules,
            single_header(connection.headers),
            required_scopes(scopes(scope)) if callable(scopes) else scopes,
            self._address(connection),
        )


def single_header(headers: Headers) -> Callable[[str], str | None]:
    """Find a header field; several of one name are joined, so that they are no valid key."""
    return lambda name: ", ".join(headers.getlist(name)) or None


async def _reject(rejected: Rejected, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()  # `websocket.connect`, which must be answered
        await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": rejected.code})
        return
    response = JSONResponse(rejected.body, rejected.status, rejected.headers)
    await response(scope, receive, send)


def _with_headers(send: Send, headers: Mapping[str, str]) -> Send:
    """Send, and add headers to the response, unless the application has set them."""
    if not headers:
        return send

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            fields = MutableHeaders(scope=message)
            for name, value in headers.items():
                fields.setdefault(name, value)
        await send(message)

    return send_with_headers
