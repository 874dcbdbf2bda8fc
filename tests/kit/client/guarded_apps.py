"""One application in each framework, whose views have a guard.

`/events` needs the scope `events:read`, `/any` any valid key. Both answer with the principal.
"""

import asyncio
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol

import fastapi
import flask
import httpx
import starlette.applications
import starlette.middleware
import starlette.requests
import starlette.responses
import starlette.routing
from kit.client.both_clients import AT_ONCE
from support import NO_TLS

from hookstream_keys_client import AsyncClient, Client
from hookstream_keys_client.guards import Principal, Rules
from hookstream_keys_client.guards.fastapi import key_guard
from hookstream_keys_client.guards.flask import KeyGuard
from hookstream_keys_client.guards.starlette import KeyMiddleware

#: The address of every end client that a test does not name.
ADDRESS = "198.51.100.7"

Address = Callable[[Mapping[str, str]], str | None]


@dataclass(frozen=True)
class Setting:
    """What a test sets of a guard."""

    url: str
    key: str | None
    rules: Rules = field(default_factory=Rules)
    #: The hook for the address, as a function of the request's headers.
    address: Address | None = None
    timeout: float = 5

    @property
    def options(self) -> dict[str, Any]:
        """Of the httpx client, which would follow redirects."""
        return {
            "trust_env": False,
            "verify": NO_TLS,
            "timeout": self.timeout,
            "follow_redirects": True,
        }

    @contextmanager
    def client(self) -> Iterator[Client]:
        """The guard's client."""
        with httpx.Client(**self.options) as http:
            yield Client(self.url, self.key, retries=AT_ONCE, http=http)

    @contextmanager
    def async_client(self) -> Iterator[tuple[AsyncClient, asyncio.Runner]]:
        """The guard's client, and the loop that it is for."""
        with asyncio.Runner() as runner:
            http = httpx.AsyncClient(**self.options)
            yield AsyncClient(self.url, self.key, retries=AT_ONCE, http=http), runner
            runner.run(http.aclose())

    @property
    def hook(self) -> dict[str, Any]:
        """The guard's argument for the address, where a test sets it."""
        address = self.address
        return {} if address is None else {"address": lambda request: address(request.headers)}


class Get(Protocol):
    """Send a GET request to an application. `calls` are the principals that its views got."""

    calls: list[Principal]

    def __call__(
        self, path: str, headers: Mapping[str, str] | None = None, address: str = ADDRESS
    ) -> httpx.Response:
        """Return the response."""


@dataclass
class Application:
    """An application, as `Get`."""

    send: Callable[[str, Mapping[str, str], str], httpx.Response]
    calls: list[Principal]

    def __call__(
        self, path: str, headers: Mapping[str, str] | None = None, address: str = ADDRESS
    ) -> httpx.Response:
        return self.send(path, headers or {}, address)


def shown(principal: Principal, calls: list[Principal]) -> dict[str, Any]:
    """The response of a view."""
    calls.append(principal)
    return dataclasses.asdict(principal)


def asgi(app: Any, runner: asyncio.Runner, calls: list[Principal]) -> Application:
    """An ASGI application, by httpx's own transport."""

    async def send(path: str, headers: Mapping[str, str], address: str) -> httpx.Response:
        transport = httpx.ASGITransport(app, client=(address, 50000))
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as http:
            fields = [(name.encode(), text.encode("latin-1")) for name, text in headers.items()]
            return await http.get(path, headers=fields)

    return Application(lambda *args: runner.run(send(*args)), calls)


@contextmanager
def fastapi_app(setting: Setting) -> Iterator[Application]:
    calls: list[Principal] = []
    app = fastapi.FastAPI()
    with setting.async_client() as (client, runner):
        guard = key_guard(client, rules=setting.rules, **setting.hook)

        @app.get("/events")
        async def events(
            key: Annotated[Principal, fastapi.Security(guard, scopes=["events:read"])],
        ) -> dict[str, Any]:
            return shown(key, calls)

        @app.get("/any")
        def any_key(key: Annotated[Principal, fastapi.Depends(guard)]) -> dict[str, Any]:
            return shown(key, calls)

        yield asgi(app, runner, calls)


@contextmanager
def starlette_app(setting: Setting) -> Iterator[Application]:
    calls: list[Principal] = []

    async def view(request: starlette.requests.Request) -> starlette.responses.Response:
        return starlette.responses.JSONResponse(shown(request.state.api_key, calls))

    with setting.async_client() as (client, runner):
        guard = starlette.middleware.Middleware(
            KeyMiddleware,
            client=client,
            scopes=lambda scope: "events:read" if scope["path"] == "/events" else None,
            public=["/public"],
            rules=setting.rules,
            **setting.hook,
        )
        routes = [starlette.routing.Route(path, view) for path in ("/events", "/any")]
        app = starlette.applications.Starlette(routes=routes, middleware=[guard])
        yield asgi(app, runner, calls)


@contextmanager
def flask_app(setting: Setting) -> Iterator[Application]:
    calls: list[Principal] = []
    app = flask.Flask(__name__)
    with setting.client() as client:
        guard = KeyGuard(client, rules=setting.rules, **setting.hook)

        # One view by its blueprint, the other by the decorator.
        blueprint = flask.Blueprint("protected", __name__)
        guard.protect(blueprint, "events:read")

        @blueprint.get("/events")
        def events() -> dict[str, Any]:
            return shown(guard.principal, calls)

        app.register_blueprint(blueprint)

        @app.get("/any")
        @guard.require()
        async def any_key() -> dict[str, Any]:
            return shown(guard.principal, calls)

        def send(path: str, headers: Mapping[str, str], address: str) -> httpx.Response:
            overrides = {"REMOTE_ADDR": address}
            with app.test_client() as browser:
                found = browser.get(path, headers=dict(headers), environ_overrides=overrides)
            fields = list(found.headers)
            return httpx.Response(found.status_code, headers=fields, content=found.data)

        yield Application(send, calls)
