"""The application: Connexion's, assembled from `openapi.yaml` and nothing else."""

import functools
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

with warnings.catch_warnings():
    # Connexion imports starlette's test client, which this server never uses, and which warns
    # that it wants another HTTP library.
    warnings.filterwarnings("ignore", message="Using `httpx` with `starlette.testclient`")
    from connexion import FlaskApp
from connexion.middleware.context import ContextMiddleware
from connexion.middleware.lifespan import LifespanMiddleware
from connexion.middleware.request_validation import RequestValidationMiddleware
from connexion.middleware.response_validation import ResponseValidationMiddleware
from connexion.middleware.routing import RoutingMiddleware
from connexion.middleware.security import SecurityMiddleware
from connexion.resolver import Resolver
from starlette.types import ASGIApp

from hookstream_keys import spec
from hookstream_keys.binding import bound
from hookstream_keys.buckets import Buckets
from hookstream_keys.call import Service
from hookstream_keys.gate import Gate
from hookstream_keys.handlers import OPERATIONS
from hookstream_keys.origins import Origins
from hookstream_keys.rate_limiting import CountCaller, RateLimiting
from hookstream_keys.routes import Routes
from hookstream_keys.security import Authenticator, Schemes
from hookstream_keys.settings import Settings, signing_secret
from hookstream_keys.signing import Signer
from hookstream_keys.store import Store, database_path, open_store
from hookstream_keys.usage import Usage
from hookstream_keys.validation import VALIDATORS, Json, ParameterReader


def middlewares(limiting: RateLimiting) -> list[Callable[..., ASGIApp]]:
    """Connexion's, and one of ours among them.

    Without its two error layers, since the gate answers errors, and without its Swagger UI,
    which would publish another document than ours.
    """
    return [
        RoutingMiddleware,
        SecurityMiddleware,
        functools.partial(CountCaller, limiting=limiting),
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
    path = database_path(settings.database)
    buckets = Buckets(path.with_name(path.name + ".limits"))
    usage = Usage(store)
    limiting = RateLimiting(buckets, settings.requests_per_minute)
    service = Service(
        signer=Signer(signing_secret(settings, path)),
        origins=Origins(settings.trusted_origins),
        sign_up=settings.sign_up == "open",
        buckets=buckets,
        count=usage.count,
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
        middlewares=middlewares(limiting),
        lifespan=_lifespan(store, buckets, usage),
        jsonifier=Json(),
        uri_parser_class=ParameterReader,
        strict_validation=True,
        validate_responses=settings.validate_responses,
        validator_map=VALIDATORS,
        security_map=Schemes(Authenticator(store, service), service.origins).security_map(),
    )
    app.add_api(document, resolver=Resolver(functools.partial(bound, store, service)))
    return Gate(
        app,
        routes=routes,
        origins=service.origins,
        limiting=limiting,
        max_body_bytes=settings.max_body_bytes,
    )


def from_environment() -> ASGIApp:
    """The application as the environment's settings want it: what an ASGI server is pointed at."""
    return create_app(Settings.from_environment())


def _lifespan(
    store: Store, buckets: Buckets, usage: Usage
) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        usage.start()
        yield
        usage.stop()
        store.close()
        buckets.close()

    return lifespan
