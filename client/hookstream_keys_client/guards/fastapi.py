"""A guard for FastAPI: a dependency, whose security schemes are in the application's document.

guard = key_guard(AsyncClient("http://127.0.0.1:8080/v1", "YOUR_API_TOKEN"))

@app.get("/events")
async def events(key: Annotated[Principal, Security(guard, scopes=["events:read"])]): ...
"""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import HTTPException, Response, Security, WebSocketException
from fastapi.security import APIKeyHeader, HTTPBearer, SecurityScopes
from starlette.requests import HTTPConnection

from hookstream_keys_client.client import AsyncClient
from hookstream_keys_client.guards.decision import (
    Principal,
    Rejected,
    Rules,
    Source,
    check_async,
    required_scopes,
)
from hookstream_keys_client.guards.starlette import POLICY_VIOLATION, peer_address, single_header


class _Bearer(HTTPBearer):
    """The scheme in the document. The guard itself reads the headers, as every guard does."""

    async def __call__(self, request: HTTPConnection) -> None:
        """Read nothing. FastAPI's own takes no WebSocket."""


class _Header(APIKeyHeader):
    """The other scheme in the document."""

    async def __call__(self, request: HTTPConnection) -> None:
        """Read nothing."""


_BEARER = _Bearer(scheme_name="apiKeyBearer", description="An API key", auto_error=False)
_HEADER = _Header(
    name="X-API-Key", scheme_name="apiKeyHeader", description="An API key", auto_error=False
)


def _bearer(_: Annotated[object, Security(_BEARER)]) -> None:
    """Document the key in `Authorization: Bearer`."""


def _header(_: Annotated[object, Security(_HEADER)]) -> None:
    """Document the key in `X-API-Key`."""


def _either(
    _bearer: Annotated[object, Security(_BEARER)], _header: Annotated[object, Security(_HEADER)]
) -> None:
    """Document that it may be in either."""


_DOCUMENTED: dict[frozenset[Source], Callable[..., None]] = {
    frozenset(("bearer",)): _bearer,
    frozenset(("x-api-key",)): _header,
    frozenset(("bearer", "x-api-key")): _either,
}


def key_guard(
    client: AsyncClient,
    *,
    address: Callable[[HTTPConnection], str | None] = peer_address,
    rules: Rules | None = None,
) -> Callable[..., Awaitable[Principal]]:
    """A dependency that returns the `Principal` of a request's or a WebSocket's key.

    Used by `Security(guard, scopes=[...])`, the key must cover all of the scopes; by
    `Depends(guard)`, any valid key passes. `address` returns the end client's address. Otherwise
    the dependency raises HTTPException with 400, 401, 403, 429 or 503; for a WebSocket,
    WebSocketException, which closes it before it is accepted: servers answer with 403. Raises
    ValueError for scopes that are none.
    """
    by = Rules() if rules is None else rules
    documented = _DOCUMENTED[frozenset(by.sources)]

    async def guard(
        connection: HTTPConnection,
        response: Response,
        scopes: SecurityScopes,
        _: Annotated[None, Security(documented)],
    ) -> Principal:
        try:
            principal = await check_async(
                client,
                by,
                single_header(connection.headers),
                required_scopes(scopes.scope_str),
                address(connection),
            )
        except Rejected as rejected:
            if connection.scope["type"] == "websocket":
                raise WebSocketException(POLICY_VIOLATION, rejected.code) from rejected
            raise HTTPException(rejected.status, rejected.message, rejected.headers) from rejected
        response.headers.update(principal.rate_limit_headers)
        return principal

    return guard
