"""A guard for Flask: for all views of an application or a blueprint, or a decorator for one view.

guard = KeyGuard(Client("http://127.0.0.1:8080/v1", "YOUR_API_TOKEN"))
guard.protect(app, "events:read", public=["health"])

@app.get("/events")
def events(): return {"caller": guard.principal.name}
"""

import functools
import weakref
from collections.abc import Callable, Collection
from typing import Any, ParamSpec

from flask import (
    Blueprint,
    Flask,
    Request,
    Response,
    after_this_request,
    current_app,
    jsonify,
    request,
    request_started,
)

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

#: The functions that `KeyGuard.require` has made guarded views of, and what those call.
_UNGUARDED: weakref.WeakSet[Callable[..., Any]] = weakref.WeakSet()


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
            raise LookupError("this view has no guard: neither KeyGuard.protect nor .require")
        found: Principal = request.environ[_STATE]
        return found

    def protect(
        self, target: Flask | Blueprint, scopes: str | None = None, *, public: Collection[str] = ()
    ) -> None:
        """Let requests into an application's or a blueprint's views only with a valid key.

        The key must cover `scopes`. The `public` endpoints need no key; they are named as `url_for`
        takes them, such as `health` or `blueprint.health`. Requests that lead to no view need a
        key, too, if the target is the application. Raises ValueError for scopes that are none.
        """
        required = required_scopes(scopes)
        # A text is a collection, of letters.
        endpoints = frozenset([public] if isinstance(public, str) else public)

        def before_request() -> Any:
            # Endpoints that are no view have the endpoint None, which is never public.
            return None if request.endpoint in endpoints else self._reject_or_admit(required)

        target.before_request(before_request)

    def require(
        self, scopes: str | None = None
    ) -> Callable[[Callable[ParametersT, Any]], Callable[ParametersT, Any]]:
        """Decorate a view, below its route: it needs a key that covers `scopes`.

        Without scopes any valid key passes. Raises ValueError for scopes that are none.

        Above the route, Flask would have the view without its guard. Then every request to it is
        a RuntimeError, and so is one to a function that is a guarded view as well as a public one.
        """
        required = required_scopes(scopes)

        def decorate(view: Callable[ParametersT, Any]) -> Callable[ParametersT, Any]:
            @functools.wraps(view)
            def guarded(*args: ParametersT.args, **kwargs: ParametersT.kwargs) -> Any:
                rejection = self._reject_or_admit(required)
                if rejection is not None:
                    return rejection
                # A view may be asynchronous.
                return current_app.ensure_sync(view)(*args, **kwargs)

            _note_unguarded(view)
            return guarded

        return decorate

    def _reject_or_admit(self, scopes: str | None) -> Any:
        """The response to a request that does not pass; None for one that does."""
        try:
            principal = self._check(scopes)
        except Rejected as rejected:
            response = jsonify(rejected.body)
            response.headers.update(rejected.headers)
            return response, rejected.status
        request.environ[_STATE] = principal
        after_this_request(_add_headers(principal))
        return None

    def _check(self, scopes: str | None) -> Principal:
        headers = request.headers
        return check(self._client, self._rules, headers.get, scopes, self._address(request))


def _add_headers(principal: Principal) -> Callable[[Response], Response]:
    def add(response: Response) -> Response:
        for name, value in principal.rate_limit_headers.items():
            response.headers.setdefault(name, value)
        return response

    return add


def _note_unguarded(view: Callable[..., Any] | None) -> None:
    """Note a function, and those that it wraps: requests must not reach them without the guard."""
    while view is not None:
        _UNGUARDED.add(view)
        view = getattr(view, "__wrapped__", None)


@request_started.connect
def _refuse_unguarded(sender: Flask, **_: object) -> None:
    """Refuse a request whose view has lost its guard. Raises RuntimeError, which is a 500."""
    view = sender.view_functions.get(request.endpoint or "")
    if view in _UNGUARDED:
        raise RuntimeError(
            f"the view of {request.endpoint!r} is registered without its guard: write the route's "
            "decorator above KeyGuard.require, as the first line, or use KeyGuard.protect"
        )
