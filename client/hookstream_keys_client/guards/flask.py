"""A guard for Flask: a decorator for views.

guard = KeyGuard(Client("http://127.0.0.1:8080/v1", "YOUR_API_TOKEN"))

@app.get("/events")
@guard.require("events:read")
def events(): return {"caller": guard.principal.name}
"""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec

from flask import Request, Response, after_this_request, current_app, jsonify, request

from hookstream_keys_client.client import Client
from hookstream_keys_client.guards.decision import (
    Principal,
    Rejected,
    Rules,
    check,
    required_scopes,
)

ParametersT = ParamSpec("ParametersT")

#: Where the principal is in the request's environment. Not in `flask.g`, which several requests
#: share inside of one application context.
_STATE = "hookstream_keys.principal"


def peer_address(incoming: Request) -> str | None:
    """The address that Flask names as the client's.

    Behind a proxy that is the proxy's, unless the application is wrapped in werkzeug's `ProxyFix`.
    """
    return incoming.remote_addr


class KeyGuard:
    """Verifies the keys of requests. `address` returns the end client's address."""

    def __init__(
        self,
        client: Client,
        *,
        address: Callable[[Request], str | None] = peer_address,
        rules: Rules | None = None,
    ) -> None:
        self._client = client
        self._address = address
        self._rules = Rules() if rules is None else rules

    @property
    def principal(self) -> Principal:
        """The caller of the current request. Raises LookupError in a view that has no guard."""
        if _STATE not in request.environ:
            raise LookupError("this view is not decorated with KeyGuard.require")
        found: Principal = request.environ[_STATE]
        return found

    def require(
        self, scopes: str | None = None
    ) -> Callable[[Callable[ParametersT, Any]], Callable[ParametersT, Any]]:
        """Decorate a view, below its route: it needs a key that covers `scopes`.

        Without scopes any valid key passes. Raises ValueError for scopes that are none.
        """
        required = required_scopes(scopes)

        def decorate(view: Callable[ParametersT, Any]) -> Callable[ParametersT, Any]:
            @functools.wraps(view)
            def guarded(*args: ParametersT.args, **kwargs: ParametersT.kwargs) -> Any:
                try:
                    principal = self._check(required)
                except Rejected as rejected:
                    response = jsonify(rejected.body)
                    response.headers.update(rejected.headers)
                    return response, rejected.status
                request.environ[_STATE] = principal
                after_this_request(_add_headers(principal))
                # A view may be asynchronous.
                return current_app.ensure_sync(view)(*args, **kwargs)

            return guarded

        return decorate

    def _check(self, scopes: str | None) -> Principal:
        headers = request.headers
        return check(self._client, self._rules, headers.get, scopes, self._address(request))


def _add_headers(principal: Principal) -> Callable[[Response], Response]:
    def add(response: Response) -> Response:
        for name, value in principal.rate_limit_headers.items():
            response.headers.setdefault(name, value)
        return response

    return add
