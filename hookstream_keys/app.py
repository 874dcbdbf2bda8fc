"""The application: Connexion's, assembled from `openapi.yaml` and nothing else."""

import ctypes
import gc
import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from starlette.types import ASGIApp

from hookstream_keys.auth.session_cookies import SessionCookies
from hookstream_keys.auth.sessions import Lifetimes
from hookstream_keys.auth.sign_in_policy import SignInPolicy
from hookstream_keys.context.origins import Origins
from hookstream_keys.contract import spec
from hookstream_keys.contract.closed_responses import closed_responses
from hookstream_keys.contract.routes import Routes
from hookstream_keys.contract.served_document import ServedDocument
from hookstream_keys.domain.records import record
from hookstream_keys.domain.setting_kinds import number
from hookstream_keys.domain.signing import Signer
from hookstream_keys.domain.sources import SYSTEM, Sources
from hookstream_keys.handlers import audit
from hookstream_keys.handlers.context import Dependencies
from hookstream_keys.http.connexion_app import connexion_app
from hookstream_keys.http.cors import Cors
from hookstream_keys.http.documentation_pages import page
from hookstream_keys.http.edge import EdgeMiddleware
from hookstream_keys.http.forwarded import TrustedProxies
from hookstream_keys.http.middlewares import (
    HandlerDispatcher,
    LookAhead,
    ResponseValidation,
    Routing,
    Security,
    Validation,
)
from hookstream_keys.http.rate_limiting import RateLimiting
from hookstream_keys.runtime.batches import Batches
from hookstream_keys.runtime.counters import Counters, open_counters
from hookstream_keys.runtime.fair_share import FairShare
from hookstream_keys.runtime.jobs import Task
from hookstream_keys.runtime.joining import join_others
from hookstream_keys.runtime.new_secret import secrets_at_start
from hookstream_keys.runtime.refusals import Refusals
from hookstream_keys.runtime.retention import Pruning, periods
from hookstream_keys.runtime.seals import Sealing
from hookstream_keys.runtime.task_writer import TaskWriter
from hookstream_keys.runtime.usage import Usage
from hookstream_keys.runtime.writer import Writer
from hookstream_keys.settings import Settings
from hookstream_keys.store import Store, database_file, open_store

log = logging.getLogger("hookstream_keys")

#: The writer's thread yields the interpreter after so many seconds, to requests that read.
SWITCH_SECONDS = 0.0005


@record
class Application:
    """The ASGI application, and its parts that work beside requests."""

    asgi: ASGIApp
    store: Store
    dependencies: Dependencies
    counters: Counters
    writer: Writer | TaskWriter
    #: What the writer runs from time to time: each returns whether it has more to do, or when.
    periodic_tasks: tuple[Task, ...]
    #: What the writer runs last, when it stops.
    final_tasks: tuple[Task, ...]
    settings: Settings

    def start(self) -> None:
        """Start the writer. The calling thread, the event loop's, only reads from now on."""
        self.writer.start()
        self.store.forbid_writes()

    async def stop(self) -> None:
        """Finish all writes, and close the files."""
        await self.writer.stop()
        await self.store.leave()
        self.store.close()
        self.counters.close()


def create_app(settings: Settings) -> ASGIApp:
    """The ASGI application of `assemble`."""
    return assemble(settings).asgi


def assemble(
    settings: Settings,
    sources: Sources = SYSTEM,
    open_store: Callable[[str], Store] = open_store,
) -> Application:
    """The application, on a database that is created or upgraded first.

    Raises StoreError or SettingsError when the database or a setting cannot be used, and
    LookupError when an operation of the document has no handler.
    """
    store = open_store(settings.database)
    store.migrate()
    file = database_file(settings.database)
    counters = open_counters(store, file, sources.monotonic_ns)
    usage = Usage(store)
    refusals = Refusals(store, partial(audit.refused, store, sources), sources.monotonic)
    secrets, warning = secrets_at_start(settings, file, store)
    signer = Signer(*secrets)
    join_others(store, settings, signer)
    if warning is not None:
        log.warning(warning)
    dependencies = Dependencies(
        sources=sources,
        signer=signer,
        origins=Origins(settings.accepted_origins),
        sign_in=SignInPolicy.of(settings),
        cookies=SessionCookies(signer, settings.cookie_prefix),
        lifetimes=Lifetimes.of(settings),
        max_sessions=number(settings.max_sessions_per_user),
        quotas=settings.quotas,
        adds_unverified_members=settings.add_unverified_members,
        counters=counters,
        count=usage.count,
        note=refusals.note,
    )
    credentials = dependencies.credentials(store)
    limiting = RateLimiting(
        counters, settings.requests_per_minute, number(settings.verification_rate_limit)
    )
    share = FairShare()
    pruning = Pruning(store, periods(settings), sources.now)
    batches = Batches(
        store, audit.deletion_events(sources), audit.revocation_events(sources), sources.now
    )
    periodic_tasks: tuple[Task, ...] = (
        usage.flush,
        refusals.flush,
        pruning.prune_batch,
        counters.prune,
        batches.continue_deletion,
        batches.continue_revocation,
    )
    final_tasks = (refusals.close,)
    if file is None:
        # First, so that what is stored later does not delay it.
        sealing = Sealing(store, partial(audit.chains_sealed, store, sources), sources.now)
        periodic_tasks = (store.beat, *periodic_tasks, sealing.seal)
        # Nothing is answered before the first one is confirmed.
        store.require_heartbeats()
    # Where a commit waits for the network, no thread has to.
    writer_of = Writer if file is not None else TaskWriter
    writer = writer_of(store, periodic_tasks, at_end=final_tasks)
    document = spec.load()
    if settings.validate_responses:
        document = closed_responses(document)
    served = ServedDocument(settings.cookie_prefix, settings.public_url)
    app = connexion_app(
        document,
        [
            Routing,
            *([partial(LookAhead, store=store)] if file is None else []),
            partial(Security, credentials=credentials, limiting=limiting, share=share),
            Validation,
            *([ResponseValidation] if settings.validate_responses else []),
            partial(
                HandlerDispatcher,
                store=store,
                credentials=credentials,
                dependencies=dependencies,
                writer=writer,
                limiting=limiting,
            ),
        ],
        partial(page, served=served),
        lambda: _lifespan(application),
    )
    edge = EdgeMiddleware(
        app,
        routes=Routes(document),
        origins=dependencies.origins,
        limiting=limiting,
        share=share,
        max_body_bytes=settings.max_body_bytes,
        sources=sources,
        proxies=TrustedProxies(settings.trusted_proxies) if settings.trusted_proxies else None,
        cors=Cors(settings.trusted_origins) if settings.trusted_origins else None,
    )
    application: Application = Application(
        asgi=edge,
        store=store,
        dependencies=dependencies,
        counters=counters,
        writer=writer,
        periodic_tasks=periodic_tasks,
        final_tasks=final_tasks,
        settings=settings,
    )
    return application


def from_environment() -> ASGIApp:
    """The application with the environment's settings, for an ASGI server."""
    return create_app(Settings.from_environment())


#: glibc's own number of the option, and the value that it begins with, in bytes.
_M_MMAP_THRESHOLD = -3
MMAP_THRESHOLD = 128 * 1024


def tune_interpreter() -> None:
    """Prepare this process to serve what it has made so far."""
    # What exists now stays: garbage collection need not traverse it again.
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(SWITCH_SECONDS)
    # A response that is freed goes back to the system. By default, glibc raises the threshold with
    # the largest block that was freed, and later ones fragment the heap (mallopt(3)).
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_M_MMAP_THRESHOLD, MMAP_THRESHOLD)


@asynccontextmanager
async def _lifespan(application: Application) -> AsyncIterator[None]:
    # So that a server which is announced answers. Where the database confirms nothing it begins all
    # the same, and answers 503 until it does.
    await application.store.beat()
    application.start()
    tune_interpreter()
    yield
    await application.stop()
