"""The application: Connexion's, assembled from `openapi.yaml` and nothing else."""

import functools
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import flask

with warnings.catch_warnings():
    # Connexion imports starlette's test client, which this server never uses, and which warns
    # that it wants another HTTP library.
    warnings.filterwarnings("ignore", message="Using `httpx` with `starlette.testclient`")
    from connexion import FlaskApp
from connexion.context import context, operation
from connexion.middleware.context import ContextMiddleware
from connexion.middleware.lifespan import LifespanMiddleware
from connexion.middleware.request_validation import RequestValidationMiddleware
from connexion.middleware.response_validation import ResponseValidationMiddleware
from connexion.middleware.routing import RoutingMiddleware
from connexion.middleware.security import SecurityMiddleware
from connexion.resolver import Resolver
from starlette.types import ASGIApp

from hookstream_keys import spec, timestamps
from hookstream_keys.call import Answer, Call, Headers, Service
from hookstream_keys.gate import Gate
from hookstream_keys.handlers import OPERATIONS, Handler, sessions
from hookstream_keys.origins import Origins
from hookstream_keys.principal import Anonymous
from hookstream_keys.routes import Routes
from hookstream_keys.security import Authenticator, Schemes
from hookstream_keys.settings import Settings, signing_secret
from hookstream_keys.signing import Signer
from hookstream_keys.store import Store, database_path, open_store
from hookstream_keys.validation import VALIDATORS, Json, ParameterReader

#: So much of a User-Agent is kept with a session; nobody reads on.
MAX_USER_AGENT = 300

#: Without Connexion's two error layers, since the gate answers errors, and without its
#: Swagger UI, which would publish another document than ours.
MIDDLEWARES = [
    RoutingMiddleware,
    SecurityMiddleware,
    RequestValidationMiddleware,
    ResponseValidationMiddleware,
    LifespanMiddleware,
    ContextMiddleware,
]


def create_app(settings: Settings) -> ASGIApp:
    """The server as one ASGI application, on a database that is created or upgraded first.

    Raises StoreError or SettingsError when the database or a setting cannot be used, and
    LookupError when an operation of the document has no handler.
    """
    store = open_store(settings.database)
    store.migrate()
    service = Service(
        signer=Signer(signing_secret(settings, database_path(settings.database))),
        origins=Origins(settings.trusted_origins),
        sign_up=settings.sign_up == "open",
    )
    document = spec.load()
    routes = Routes(document)
    missing = {operation.id for operation in spec.operations(document)} - set(OPERATIONS)
    if missing:
        # Connexion finds out at the first request, and only in its log.
        raise LookupError(f"no handler for {', '.join(sorted(missing))}")
    app = FlaskApp(
        "hookstream_keys",
        # Flask would serve a folder called `static` by itself.
        server_args={"static_folder": None},
        middlewares=list(MIDDLEWARES),
        lifespan=_lifespan(store),
        jsonifier=Json(),
        uri_parser_class=ParameterReader,
        strict_validation=True,
        validate_responses=settings.validate_responses,
        validator_map=VALIDATORS,
        security_map=Schemes(Authenticator(store, service.signer), service.origins).security_map(),
    )
    app.add_api(document, resolver=Resolver(functools.partial(_bound, store, service)))
    return Gate(app, routes=routes, origins=service.origins, max_body_bytes=settings.max_body_bytes)


def from_environment() -> ASGIApp:
    """The application as the environment's settings want it: what an ASGI server is pointed at."""
    return create_app(Settings.from_environment())


def _lifespan(store: Store) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        yield
        store.close()

    return lifespan


def _bound(store: Store, service: Service, operation_id: str) -> Handler:
    """The handler of an operation as Connexion calls it: with the request turned into a `Call`."""
    handler = OPERATIONS[operation_id]

    @functools.wraps(handler)
    def bound(**arguments: Any) -> Answer:
        if operation.operation_id != operation_id:
            # Connexion's router and Flask's disagree: fail closed, whoever is wrong.
            raise RuntimeError(f"{operation_id} was reached as {operation.operation_id}")
        call = _call(store, service)
        body, status, *headers = handler(call, **arguments)
        # Here as well as at the gate: the document requires it, and responses may be validated.
        common: Headers = {"X-Request-Id": call.request_id}
        expires_at = getattr(call.principal, "expires_at", None)
        if expires_at is not None:
            common["X-Key-Expires-At"] = expires_at
        if operation_id not in sessions.OPERATIONS:
            common |= sessions.renew(call)
        return body, status, {**common, **(headers[0] if headers else {})}

    return bound


def _call(store: Store, service: Service) -> Call:
    """The request that is being served. Raises what security kept of a credential it refused."""
    scope = flask.request.environ["asgi.scope"]
    client = scope.get("client")
    principal = context.get("user") or Anonymous()
    if isinstance(principal, Anonymous) and "refusal" in scope["state"]:
        raise scope["state"]["refusal"]
    return Call(
        store=store,
        principal=principal,
        request_id=scope["state"]["request_id"],
        address=client[0] if client else None,
        now=timestamps.now(),
        user_agent=flask.request.headers.get("user-agent", "")[:MAX_USER_AGENT],
        secure=scope["scheme"] == "https",
        service=service,
    )
