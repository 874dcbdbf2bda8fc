"""The edge middleware: request ID, canonical requests, error mapping, access log.

Only the document's paths and methods pass, so that no other request reaches Connexion's router or
Flask's, which match differently. What passes has at most one body of a declared media type,
complete and within the limit.
"""

import asyncio
import logging
import re

from starlette.types import ASGIApp, Receive, Scope, Send

from hookstream_keys.context import request as requests
from hookstream_keys.context.origins import Origins
from hookstream_keys.context.principal import Authenticated
from hookstream_keys.context.request import Request
from hookstream_keys.contract import spec
from hookstream_keys.contract.routes import Route, Routes
from hookstream_keys.domain import ids, networks, timestamps
from hookstream_keys.domain.errors import (
    ApiError,
    BadRequest,
    Detail,
    InternalError,
    MethodNotAllowed,
    NotFound,
    Overloaded,
    RateLimited,
)
from hookstream_keys.domain.sources import Sources
from hookstream_keys.http import forwarded
from hookstream_keys.http.body_reader import BodyReader, expects_continue, replay
from hookstream_keys.http.cors import Cors
from hookstream_keys.http.forwarded import TrustedProxies
from hookstream_keys.http.rate_limiting import RateLimiting, tenant_of
from hookstream_keys.http.responses import Response, as_api_error, send_error
from hookstream_keys.runtime import rate_limit_names
from hookstream_keys.runtime.fair_share import FairShare
from hookstream_keys.runtime.share_limits import OVERHEAD
from hookstream_keys.store import StoreError

log = logging.getLogger("hookstream_keys")

#: How many requests are in a worker at once: twice those that may wait to write. Load shedding
#: rejects more before their body is read; a body takes up to `HOOKSTREAM_MAX_BODY_BYTES` of memory.
MAX_REQUESTS = 4_000

#: What a refusal is charged at most, in seconds: the time since its header was read, part of which
#: the client may have taken to send a body.
MAX_REFUSAL = 0.005

#: What may stand around the value of a header field (RFC 9110, section 5.6.3).
OPTIONAL_WHITE_SPACE = b" \t"

#: A host and perhaps a port (RFC 9112, section 3.2). Without a comma: several are one with commas.
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+;=-]+)(:[0-9]*)?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

#: Header fields whose values are joined by a comma where there are several (RFC 9110, section 5.3),
#: and `Host`, which must be only one: no host has a comma.
_LISTS = forwarded.LISTS | {b"content-encoding", b"host", b"if-match", b"if-none-match"}

#: The header fields that describe the body as it was sent.
_OF_BODIES = {b"content-encoding", b"content-length", b"content-type", b"transfer-encoding"}


class EdgeMiddleware:
    """An ASGI application around `app`, in front of everything else."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        routes: Routes,
        origins: Origins,
        limiting: RateLimiting,
        share: FairShare,
        max_body_bytes: int,
        sources: Sources,
        proxies: TrustedProxies | None = None,
        cors: Cors | None = None,
    ) -> None:
        self.app = app
        self.routes = routes
        self.origins = origins
        self.limiting = limiting
        self._share = share
        self._bodies = BodyReader(max_body_bytes)
        self._sources = sources
        self._proxies = proxies
        self._cors = cors
        self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; pass on other ASGI scopes."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = _request(scope, self._sources, self._proxies)
        response = Response(request, scope["method"], send)
        if self._cors is not None:
            response.more = self._cors.fields(request)
        self._requests += 1
        try:
            await self._pass(scope, receive, response)
        except Exception as exception:  # the last resort: every error is answered in one format
            error = as_api_error(exception, request)
            if isinstance(error, InternalError) or response.started:
                log.exception("request_id=%s failed", request.id)
            if response.started:
                # Half a response is out; only breaking the connection tells the client.
                raise
            error = await self._counted(request, error)
            # What is rejected for too many that wait has no share, either.
            if not request.has_share or isinstance(error, Overloaded):
                # The frames that it came through have the body, which does not wait.
                exception.with_traceback(None)
                await self._give_way(response, receive)
            await send_error(response, error)
        finally:
            self._requests -= 1
            response.log()

    async def _give_way(self, response: Response, receive: Receive) -> None:
        """Wait before a refusal while the client, or tenant, is ahead of its share.

        It is not one of the requests at once meanwhile: as many wait as there are connections.
        """
        request = response.request
        caller = request.principal
        name = (
            tenant_of(caller)
            if isinstance(caller, Authenticated)
            else rate_limit_names.of_address(request.address)
        )
        seconds = max(OVERHEAD, min(response.elapsed(), MAX_REFUSAL))
        wait = self._share.clients.charge(name, seconds)
        if not wait:
            return
        self._requests -= 1
        try:
            if expects_continue(request):
                # Receiving would send `100 Continue`, and the client a body that is refused.
                await asyncio.sleep(wait)
                return
            async with asyncio.timeout(wait):
                while (await receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            pass
        finally:
            self._requests += 1

    async def _counted(self, request: Request, error: ApiError) -> ApiError:
        """The error, or the 429 for too many of them."""
        try:
            await self.limiting.count_error(request, error)
        except RateLimited as limited:
            return limited
        except StoreError as failure:
            # The response is an error in any case.
            log.warning("request_id=%s %s", request.id, failure)
        return error

    async def _pass(self, scope: Scope, receive: Receive, response: Response) -> None:
        path: str = scope["path"]
        root: str = scope.get("root_path", "")
        method: str = scope["method"]
        request = response.request
        route = self.routes.find(
            path.removeprefix(root) if root else path, scope.get("raw_path", b"")
        )
        if route is not None:
            response.path = route.path
            if method == "HEAD" and "GET" in route.operations:
                # RFC 9110, section 9.3.2: the same headers as GET, no content.
                response.bodiless = True
                method = "GET"
            request.operation = route.operations.get(method)
        operation = request.operation
        if route is None or operation is None:
            await self._answer_without_operation(route, method, response)
            return
        if not operation.secured:
            client = await self._admit_anonymous(request, operation)
        _check_address(scope, request)
        if path != root + route.path and "{" not in route.path:
            # The routers behind know the path below the API's base path only.
            scope = {**scope, "path": root + route.path}
        if self._requests > MAX_REQUESTS and operation.may_be_unavailable:
            raise Overloaded
        if operation.same_site:
            self.origins.refuse_untrusted(request)
        body = await self._bodies.read(request, operation, receive)
        if response.bodiless:
            # uvicorn reads its own scope: it must know that HEAD is answered without content.
            scope = {**scope, "method": method}
        # For the middlewares behind that read them: the only body is the one passed on below.
        scope["headers"] = [field for field in scope["headers"] if field[0] not in _OF_BODIES]
        if operation.secured:
            await self.app(scope, replay(body, receive), response)
        else:
            await self._share.clients.run(client, self.app, scope, replay(body, receive), response)

    async def _admit_anonymous(self, request: Request, operation: spec.Operation) -> str:
        """Count a request for its client's address, and wait for its share; returns its name.

        Raises RateLimited or Overloaded.
        """
        client = await self.limiting.limit_anonymous(request)
        if operation.may_be_unavailable or operation.is_page:
            await self._share.clients.give_way(client)
        # A health check does not wait: behind NAT a flood may have the address of the probe, which
        # counts a late answer as none.
        request.has_share = True
        return client

    async def _answer_without_operation(
        self, route: Route | None, method: str, response: Response
    ) -> None:
        """Answer OPTIONS. Raises NotFound without a route, or MethodNotAllowed."""
        request, more = response.request, []
        if route and method == "OPTIONS" and self._cors and self._cors.is_preflight(request):
            # It must not fail for what other clients at its address have done.
            more = self._cors.preflight(route.allow)
        else:
            await self.limiting.limit_anonymous(request)
        if route is None:
            raise NotFound(
                f"There is nothing at this path; {self.routes.document_url} lists all paths."
            )
        if method != "OPTIONS":
            raise MethodNotAllowed(
                f"Method not allowed. Allowed: {route.allow}.", headers={"Allow": route.allow}
            )
        client = rate_limit_names.of_address(request.address)
        await self._share.clients.give_way(client, may_reject=False)
        headers = [(b"allow", route.allow.encode()), *more]
        await response({"type": "http.response.start", "status": 204, "headers": headers})
        await response({"type": "http.response.body", "body": b""})


def _request(scope: Scope, sources: Sources, proxies: TrustedProxies | None) -> Request:
    headers: dict[bytes, bytes] = {}
    for name, untrimmed in scope["headers"]:
        # RFC 9110, section 5.5: white space around a field's value is no part of it.
        value = untrimmed.strip(OPTIONAL_WHITE_SPACE)
        if name not in headers:
            headers[name] = value
        elif name == b"cookie":
            # RFC 9113, section 8.2.3: several Cookie headers are one.
            headers[name] += b"; " + value
        elif name == b"content-type":
            # Of two it is not known which one applies.
            headers[name] = b""
        elif name in _LISTS:
            headers[name] += b"," + value
    peer = scope.get("client")
    # Of a Unix socket there is none.
    address = networks.canonical_address(peer[0]) if peer else ""
    scheme, prefix = scope["scheme"], ""
    if proxies is not None:
        # ASGI: the server of a Unix socket has a path, and no port.
        server = scope.get("server")
        is_unix = server is not None and server[1] is None
        address = forwarded.UNIX if is_unix else address
        address, scheme, prefix = proxies.client(address, scheme, headers)
    moment, random = sources.now(), sources.random()
    request = Request(
        id=ids.new("req", random),
        moment=moment,
        now=timestamps.to_text(moment),
        address=address,
        scheme=scheme,
        prefix=prefix,
        headers=headers,
        random=random,
    )
    requests.put(scope, request)
    return request


def _check_address(scope: Scope, request: Request) -> None:
    """Refuse an ambiguous host or path. Raises BadRequest."""
    host = request.headers.get(b"host")
    if not _HOST.fullmatch(host) if host else scope["http_version"] != "1.0":
        raise BadRequest(
            "The request's header fields are not valid.",
            details=[Detail("header/host", "is missing, or not one host")],
        )
    if _CONTROL.search(scope["path"]):
        # Connexion's router and Flask's disagree on a line break at the end.
        raise BadRequest(
            "The request's parameters are not valid.",
            details=[Detail("path", "has a control character")],
        )
