"""What is particular to one framework: documents, WebSockets, contexts, other authentication."""

import asyncio
import functools
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import fastapi
import flask
import flask.views
import httpx
import pytest
import starlette.applications
import starlette.responses
import starlette.routing
import starlette.websockets
from django.core.exceptions import ImproperlyConfigured
from kit.client.guarded_apps import Setting
from kit.client.guarded_django import django_app
from openapi_spec_validator import validate
from starlette.testclient import TestClient
from starlette.types import Message, Scope
from support import Server, Tenant

from hookstream_keys_client import AsyncClient, Client
from hookstream_keys_client.guards import Principal, Rules
from hookstream_keys_client.guards.fastapi import key_guard
from hookstream_keys_client.guards.flask import KeyGuard
from hookstream_keys_client.guards.starlette import KeyMiddleware

UNUSED = "http://127.0.0.1:9/v1"


@pytest.fixture
def admin(server: Server, tenant: Tenant) -> Iterator[Client]:
    with Setting(server.url, tenant.key).client() as client:
        yield client


@pytest.fixture
def key(admin: Client, tenant: Tenant) -> str:
    """A key with the scope `events:read`."""
    return admin.create_api_key(
        name="Caller", org_id=tenant.org_id, env_id=tenant.env_id, scopes="events:read"
    )["key"]


# FastAPI


def documented(rules: Rules) -> dict[str, Any]:
    """The document of an application with one guarded and one public operation."""
    app = fastapi.FastAPI()
    guard = key_guard(AsyncClient(UNUSED), rules=rules)

    @app.get("/events")
    async def events(
        key: Annotated[Principal, fastapi.Security(guard, scopes=["events:read"])],
    ) -> str:
        return key.key_id

    @app.get("/public")
    async def public() -> str:
        return "open to all"

    return app.openapi()


def test_fastapi_documents_where_the_key_stands_and_what_it_must_cover() -> None:
    document = documented(Rules())
    validate(document)
    assert document["components"]["securitySchemes"] == {
        "apiKeyBearer": {"type": "http", "description": "An API key", "scheme": "bearer"},
        "apiKeyHeader": {
            "type": "apiKey",
            "description": "An API key",
            "in": "header",
            "name": "X-API-Key",
        },
    }
    operation = document["paths"]["/events"]["get"]
    # One of the two: each is a requirement of its own.
    scopes = ["events:read"]
    assert operation["security"] == [{"apiKeyBearer": scopes}, {"apiKeyHeader": scopes}]
    assert "parameters" not in operation
    assert "security" not in document["paths"]["/public"]["get"]


@pytest.mark.parametrize(
    ("rules", "scheme"),
    [
        (Rules(sources=("bearer",)), "apiKeyBearer"),
        (Rules(sources=("x-api-key",)), "apiKeyHeader"),
    ],
)
def test_fastapi_documents_the_sources_that_are_read(rules: Rules, scheme: str) -> None:
    document = documented(rules)
    assert list(document["components"]["securitySchemes"]) == [scheme]
    assert document["paths"]["/events"]["get"]["security"] == [{scheme: ["events:read"]}]


def test_fastapi_scopes_of_routers_and_views_add_up(
    server: Server, tenant: Tenant, admin: Client, key: str
) -> None:
    both = admin.create_api_key(
        name="Both", org_id=tenant.org_id, env_id=tenant.env_id, scopes="events:*"
    )["key"]
    with Setting(server.url, tenant.key).async_client() as (client, runner):
        guard = key_guard(client)
        read = fastapi.Security(guard, scopes=["events:read"])
        write = fastapi.Security(guard, scopes=["events:write"])
        app = fastapi.FastAPI(dependencies=[read])

        @app.post("/events", dependencies=[write])
        async def add() -> str:
            return "added"

        async def post(credential: str) -> int:
            transport = httpx.ASGITransport(app)
            headers = {"X-API-Key": credential}
            async with httpx.AsyncClient(transport=transport, base_url="http://app") as http:
                return (await http.post("/events", headers=headers)).status_code

        assert runner.run(post(both)) == 200
        assert runner.run(post(key)) == 403


@pytest.fixture
def fastapi_sockets(server: Server, tenant: Tenant) -> fastapi.FastAPI:
    """WebSockets whose guard is a parameter, a dependency of the route, and one of all routes."""
    client = AsyncClient(server.url, tenant.key)
    guard = key_guard(client)
    read = fastapi.Security(guard, scopes=["events:read"])

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        async with client:
            yield

    app = fastapi.FastAPI(lifespan=lifespan)

    @app.websocket("/parameter")
    async def parameter(
        websocket: fastapi.WebSocket,
        key: Annotated[Principal, fastapi.Security(guard, scopes=["events:read"])],
    ) -> None:
        await echo(websocket, key.name)

    @app.websocket("/route", dependencies=[read])
    async def route(websocket: fastapi.WebSocket) -> None:
        await echo(websocket, "Caller")

    router = fastapi.APIRouter(dependencies=[read])

    @router.websocket("/router")
    async def below(websocket: fastapi.WebSocket) -> None:
        await echo(websocket, "Caller")

    app.include_router(router)
    return app


async def echo(websocket: starlette.websockets.WebSocket, text: str) -> None:
    await websocket.accept()
    await websocket.send_text(text)
    await websocket.close()


@pytest.mark.parametrize("path", ["/parameter", "/route", "/router"])
def test_a_fastapi_websocket_needs_a_key_before_it_is_accepted(
    fastapi_sockets: fastapi.FastAPI, admin: Client, tenant: Tenant, key: str, path: str
) -> None:
    narrow = admin.create_api_key(
        name="Narrow", org_id=tenant.org_id, env_id=tenant.env_id, scopes="orders:read"
    )["key"]
    with TestClient(fastapi_sockets) as client:
        for headers in ({"X-API-Key": key}, {"Authorization": f"Bearer {key}"}):
            with client.websocket_connect(path, headers=headers) as websocket:
                assert websocket.receive_text() == "Caller"
        for headers, reason in (
            ({}, "unauthorized"),
            ({"X-API-Key": "wrong"}, "unauthorized"),
            ({"X-API-Key": narrow}, "insufficient_scope"),
            ({"X-API-Key": key, "Authorization": "Bearer another"}, "bad_request"),
        ):
            with (
                pytest.raises(starlette.websockets.WebSocketDisconnect) as closed,
                client.websocket_connect(path, headers=headers),
            ):
                pass
            assert (closed.value.code, closed.value.reason) == (1008, reason)


def test_a_fastapi_websocket_is_refused_while_keys_cannot_be_verified(free_port: int) -> None:
    app = fastapi.FastAPI()
    guard = key_guard(AsyncClient(f"http://127.0.0.1:{free_port}/v1"))

    @app.websocket("/")
    async def socket(
        websocket: fastapi.WebSocket, _: Annotated[Principal, fastapi.Depends(guard)]
    ) -> None:
        await echo(websocket, "open")

    with (
        TestClient(app) as client,
        pytest.raises(starlette.websockets.WebSocketDisconnect) as closed,
        client.websocket_connect("/", headers={"X-API-Key": "any"}),
    ):
        pass
    assert (closed.value.code, closed.value.reason) == (1008, "unavailable")


# Starlette and ASGI


@pytest.fixture
def socket_app(server: Server, tenant: Tenant) -> starlette.applications.Starlette:
    async def page(request: starlette.requests.Request) -> starlette.responses.Response:
        return starlette.responses.PlainTextResponse(str(hasattr(request.state, "api_key")))

    async def caller(websocket: starlette.websockets.WebSocket) -> None:
        await echo(websocket, websocket.state.api_key.name)

    client = AsyncClient(server.url, tenant.key)

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        async with client:
            yield

    app = starlette.applications.Starlette(
        routes=[
            starlette.routing.Route("/public", page),
            starlette.routing.Route("/private", page),
            starlette.routing.WebSocketRoute("/public", caller),
        ],
        lifespan=lifespan,
    )
    app.add_middleware(KeyMiddleware, client=client, scopes="events:read", public=["/public"])
    return app


def test_a_websocket_needs_a_key_also_at_a_public_path(
    socket_app: starlette.applications.Starlette, key: str
) -> None:
    with TestClient(socket_app) as client:
        with client.websocket_connect("/public", headers={"X-API-Key": key}) as websocket:
            assert websocket.receive_text() == "Caller"
        for headers in ({}, {"X-API-Key": "wrong"}):
            with (
                pytest.raises(starlette.websockets.WebSocketDisconnect) as closed,
                client.websocket_connect("/public", headers=headers),
            ):
                pass
            assert (closed.value.code, closed.value.reason) == (1008, "unauthorized")


def test_only_the_exact_public_path_needs_no_key(
    socket_app: starlette.applications.Starlette, key: str
) -> None:
    with TestClient(socket_app) as client:
        assert client.get("/public").text == "False"
        for path in ("/private", "/public/", "/public/../private", "//public", "/PUBLIC", "/none"):
            assert client.get(path).status_code == 401, path
        assert client.get("/private", headers={"X-API-Key": key}).text == "True"


def test_what_asgi_may_bring_later_does_not_pass() -> None:
    async def app(scope: Scope, receive: Any, send: Any) -> None:
        raise AssertionError("the application was reached")

    async def send(message: Message) -> None:
        raise AssertionError("a message was sent")

    async def receive() -> Message:
        raise AssertionError("a message was awaited")

    guard = KeyMiddleware(app, client=AsyncClient(UNUSED))
    with pytest.raises(ValueError, match="no guard for ASGI scopes of type 'webtransport'"):
        asyncio.run(guard({"type": "webtransport", "path": "/"}, receive, send))


def test_scopes_that_are_none_are_refused_before_the_first_request() -> None:
    with pytest.raises(ValueError, match="such as 'events:read'"):
        KeyMiddleware(
            starlette.applications.Starlette(), client=AsyncClient(UNUSED), scopes="read events"
        )
    with Client(UNUSED) as client:
        guard = KeyGuard(client)
        with pytest.raises(ValueError, match="such as 'events:read'"):
            guard.require("read events")
        with pytest.raises(ValueError, match="such as 'events:read'"):
            guard.protect(flask.Flask(__name__), "read events")


# Flask


def test_flask_requests_in_one_context_do_not_share_a_principal(
    server: Server, tenant: Tenant, key: str
) -> None:
    app = flask.Flask(__name__)
    with Setting(server.url, tenant.key).client() as client:
        guard = KeyGuard(client)

        @app.get("/who")
        @guard.require()
        def who() -> str:
            return guard.principal.name

        @app.get("/open")
        def unguarded() -> str:
            with pytest.raises(LookupError, match=r"neither KeyGuard\.protect nor"):
                assert guard.principal
            return "open"

        # In a context like this, which a test or a command has open, `flask.g` is one.
        with app.app_context(), app.test_client() as browser:
            assert browser.get("/who", headers={"X-API-Key": key}).text == "Caller"
            assert browser.get("/open").text == "open"
            assert browser.get("/who", headers={"X-API-Key": tenant.key}).text != "Caller"
            assert browser.get("/who").status_code == 401


@pytest.fixture
def flask_guard(server: Server, tenant: Tenant) -> Iterator[KeyGuard]:
    with Setting(server.url, tenant.key).client() as client:
        yield KeyGuard(client)


def test_flask_protects_a_whole_application_but_its_public_endpoints(
    flask_guard: KeyGuard, key: str
) -> None:
    app = flask.Flask(__name__)
    blueprint = flask.Blueprint("status", __name__)
    flask_guard.protect(app, "events:read", public=["health", "status.ready"])

    @app.get("/health")
    def health() -> str:
        return "ok"

    @blueprint.get("/ready")
    def ready() -> str:
        return "ready"

    # Of the same name as a public endpoint of the application.
    @blueprint.get("/status/health", endpoint="health")
    def other() -> str:
        return "other"

    # Registered after the guard, with an asynchronous view and a method of its own.
    @app.route("/events", methods=["GET", "POST", "PURGE"])
    async def events() -> str:
        return flask_guard.principal.name

    app.register_blueprint(blueprint)
    valid = {"X-API-Key": key}
    with app.test_client() as browser:
        assert browser.get("/health").text == "ok"
        assert browser.get("/ready").text == "ready"
        for path in ("/events", "/status/health", "/static/app.css", "/none", "/health/"):
            assert browser.get(path).status_code == 401, path
        for method in ("GET", "HEAD", "POST", "PURGE", "OPTIONS", "DELETE"):
            assert browser.open("/events", method=method).status_code == 401, method
        assert browser.get("/events", headers=valid).text == "Caller"
        assert browser.get("/status/health", headers=valid).text == "other"
        assert browser.get("/none", headers=valid).status_code == 404
        assert browser.delete("/events", headers=valid).status_code == 405


def test_flask_protects_a_blueprint_with_those_inside_and_no_other_view(
    flask_guard: KeyGuard, key: str
) -> None:
    app, outer, inner = (
        flask.Flask(__name__),
        flask.Blueprint("outer", __name__, url_prefix="/outer"),
        flask.Blueprint("inner", __name__, url_prefix="/inner"),
    )
    flask_guard.protect(outer, "events:read", public="outer.open")
    for blueprint, endpoint in ((outer, "closed"), (outer, "open"), (inner, "closed")):
        blueprint.add_url_rule(f"/{endpoint}", endpoint, lambda: "reached")
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    app.add_url_rule("/open", "open", lambda: "reached")
    with app.test_client() as browser:
        for path in ("/open", "/outer/open"):
            assert browser.get(path).text == "reached"
        for path in ("/outer/closed", "/outer/inner/closed"):
            assert browser.get(path).status_code == 401
            assert browser.get(path, headers={"X-API-Key": key}).text == "reached"


def test_flask_views_in_a_protected_application_may_need_more(
    flask_guard: KeyGuard, tenant: Tenant, key: str
) -> None:
    app = flask.Flask(__name__)
    flask_guard.protect(app)

    @app.delete("/events")
    @flask_guard.require("events:delete")
    def delete() -> str:
        return "deleted"

    with app.test_client() as browser:
        assert browser.delete("/events", headers={"X-API-Key": key}).status_code == 403
        assert browser.delete("/events", headers={"X-API-Key": tenant.key}).text == "deleted"


View = Callable[[], str]


def inner_decorator(view: View) -> View:
    """A decorator of the application's own."""

    @functools.wraps(view)
    def wrapped() -> str:
        return view()

    return wrapped


@pytest.mark.parametrize("own", [lambda view: view, inner_decorator], ids=["next", "wrapped"])
@pytest.mark.parametrize("kind", ["application", "blueprint"])
def test_a_flask_guard_above_the_route_leaves_no_view_open(
    flask_guard: KeyGuard, key: str, kind: str, own: Callable[[View], View]
) -> None:
    app = flask.Flask(__name__)
    blueprint = flask.Blueprint("b", __name__)
    target = app if kind == "application" else blueprint
    reached = []

    def register() -> None:
        # As in a factory of applications: nothing but the application has the function then.
        @flask_guard.require("events:read")
        @own
        @target.get("/events")
        def events() -> str:
            reached.append("events")
            return "open"

    register()
    app.register_blueprint(blueprint)
    gc.collect()
    with app.test_client() as browser:
        for headers in ({}, {"X-API-Key": key}):
            assert browser.get("/events", headers=headers).status_code == 500
        app.testing = True
        with pytest.raises(RuntimeError, match="registered without its guard: write the route's"):
            browser.get("/events")
    assert reached == []


def test_a_flask_guard_in_a_class_of_views_is_no_guard_above_a_route(
    flask_guard: KeyGuard, key: str
) -> None:
    class Events(flask.views.MethodView):
        decorators = [flask_guard.require("events:read")]  # noqa: RUF012 - as Flask documents it

        def get(self) -> str:
            return "reached"

    app = flask.Flask(__name__)
    app.add_url_rule("/events", view_func=Events.as_view("events"))
    with app.test_client() as browser:
        assert browser.get("/events").status_code == 401
        assert browser.get("/events", headers={"X-API-Key": key}).text == "reached"


# Django REST framework


def test_django_leaves_requests_without_a_key_to_others_only_if_told(
    server: Server, tenant: Tenant, key: str
) -> None:
    # The view allows anonymous users, as the framework does by default.
    setting = Setting(server.url, tenant.key)
    with django_app(setting) as get:
        assert get("/any").status_code == 401
    with django_app(setting, optional=True) as get:
        assert get("/any").json() == {}
        assert get("/any", {"X-API-Key": key}).json()["name"] == "Caller"
        # A key that is not valid is no anonymous user.
        assert get("/any", {"X-API-Key": "wrong"}).status_code == 401
        assert get("/any", {"Authorization": "Bearer wrong"}).status_code == 401
        assert get("/private").status_code == 401
        assert get("/private").headers["WWW-Authenticate"] == 'Bearer realm="api"'
        assert get("/private", {"X-API-Key": key}).status_code == 200


def test_django_throttles_by_key(server: Server, tenant: Tenant, key: str) -> None:
    with django_app(Setting(server.url, tenant.key)) as get:
        codes = [get("/throttled", {"X-API-Key": key}).status_code for _ in range(3)]
        assert codes == [200, 200, 429]
        assert get("/throttled", {"X-API-Key": tenant.key}).status_code == 200


def test_django_without_a_client_is_a_mistake_of_the_project(server: Server) -> None:
    with (
        django_app(Setting(server.url, None), client=None) as get,
        pytest.raises(ImproperlyConfigured, match="client is no Client"),
    ):
        get("/any")
