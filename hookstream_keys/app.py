"""The application: Connexion's, assembled from `openapi.yaml` and nothing else."""

import gc
import logging
import sys
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

with warnings.catch_warnings():
    # Connexion imports starlette's test client, which is not used here, and which warns about its
    # HTTP library.
    warnings.filterwarnings("ignore", message="Using `httpx` with `starlette.testclient`")
    from connexion import FlaskApp
from connexion.middleware.context import ContextMiddleware
from connexion.middleware.lifespan import LifespanMiddleware
from connexion.middleware.response_validation import ResponseValidationMiddleware
from connexion.resolver import Resolver
from starlette.types import ASGIApp

from hookstream_keys.auth.session_cookies import SessionCookies
from hookstream_keys.auth.sessions import Lifetimes
from hookstream_keys.auth.sign_in_policy import SignInPolicy
from hookstream_keys.context.origins import Origins
from hookstream_keys.contract import spec
from hookstream_keys.contract.response_validation import VALIDATORS, Json
from hookstream_keys.contract.routes import Routes
from hookstream_keys.contract.served_document import ServedDocument
from hookstream_keys.domain.setting_kinds import number
from hookstream_keys.domain.signing import Signer
from hookstream_keys.domain.sources import SYSTEM, Sources
from hookstream_keys.handlers import audit
from hookstream_keys.handlers.context import Dependencies
from hookstream_keys.http.documentation_pages import page
from hookstream_keys.http.edge import EdgeMiddleware
from hookstream_keys.http.middlewares import (
    HandlerDispatcher,
    Routing,
    Security,
    Validation,
    Writer,
)
from hookstream_keys.http.rate_limiting import RateLimiting
from hookstream_keys.runtime.new_secret import secrets_at_start
from hookstream_keys.runtime.rate_limit_counters import RateLimitCounters, limits_path
from hookstream_keys.runtime.refusals import Refusals
from hookstream_keys.runtime.retention import Pruning, periods
from hookstream_keys.runtime.usage import Usage
from hookstream_keys.settings import Settings
from hookstream_keys.store import Store, database_path, open_store

log = logging.getLogger("hookstream_keys")

#: The writer's thread yields the interpreter after so many seconds, to requests that read.
SWITCH_SECONDS = 0.0005


def create_app(settings: Settings, sources: Sources = SYSTEM) -> ASGIApp:
    """The ASGI application, on a database that is created or upgraded first.

    Raises StoreError or SettingsError when the database or a setting cannot be used, and
    LookupError when an operation of the document has no handler.
    """
    store = open_store(settings.database)
    store.migrate()
    path = database_path(settings.database)
    counters = RateLimitCounters(limits_path(path), sources.monotonic_ns)
    usage = Usage(store)
    refusals = Refusals(store, partial(audit.refused, store, sources), sources.monotonic)
    secrets, warning = secrets_at_start(settings, path, store)
    signer = Signer(*secrets)
    if warning is not None:
        log.warning(warning)
    dependencies = Dependencies(
        sources=sources,
        signer=signer,
        origins=Origins(settings.trusted_origins),
        sign_in=SignInPolicy.of(settings),
        cookies=SessionCookies(signer, settings.cookie_prefix),
        lifetimes=Lifetimes.of(settings),
        max_sessions=number(settings.max_sessions_per_user),
        adds_unverified_members=settings.add_unverified_members,
        counters=counters,
        count=usage.count,
        note=refusals.note,
    )
    credentials = dependencies.credentials(store)
    limiting = RateLimiting(counters, settings.requests_per_minute)
    pruning = Pruning(store, periods(settings), sources.now)
    periodic_tasks = [usage.flush, refusals.flush, pruning.prune_batch]
    writer = Writer(store, periodic_tasks, at_end=[refusals.close])
    document = spec.load()
    app = FlaskApp(
        "hookstream_keys",
        # Otherwise Flask serves a folder called `static`.
        server_args={"static_folder": None},
        # Without Connexion's two error layers, since `EdgeMiddleware` answers errors, and without
        # its Swagger UI, which would publish another document.
        middlewares=[
            Routing,
            partial(Security, credentials=credentials, limiting=limiting),
            Validation,
            *([ResponseValidationMiddleware] if settings.validate_responses else []),
            partial(
                HandlerDispatcher,
                store=store,
                credentials=credentials,
                dependencies=dependencies,
                writer=writer,
            ),
            LifespanMiddleware,
            ContextMiddleware,
        ],
        lifespan=_lifespan(store, counters, writer),
        jsonifier=Json(),
        validator_map=VALIDATORS,
    )
    served = ServedDocument(settings.cookie_prefix)
    app.add_api(document, resolver=Resolver(partial(page, served=served)))
    return EdgeMiddleware(
        app,
        routes=Routes(document),
        origins=dependencies.origins,
        limiting=limiting,
        max_body_bytes=settings.max_body_bytes,
        sources=sources,
    )


def from_environment() -> ASGIApp:
    """The application with the environment's settings, for an ASGI server."""
    return create_app(Settings.from_environment())


def _lifespan(
    store: Store, counters: RateLimitCounters, writer: Writer
) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        writer.start()
        # On the event loop's thread.
        store.forbid_writes()
        # What exists now stays: garbage collection need not traverse it again.
        gc.collect()
        gc.freeze()
        sys.setswitchinterval(SWITCH_SECONDS)
        yield
        writer.stop()
        store.close()
        counters.close()

    return lifespan
