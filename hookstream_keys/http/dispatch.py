"""Dispatch: from a request to a handler's call, and from its answer to a response.

Reads run on the event loop, since a query takes a few microseconds. Writes wait for the disk, and
run on the writer thread. Reads whose cost nothing bounds run on threads of their own, until a
deadline.
"""

import asyncio
import dataclasses
import functools
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from connexion.operations import AbstractOperation
from starlette.types import ASGIApp, Receive, Scope, Send

from hookstream_keys.auth.credentials import Credentials
from hookstream_keys.context import request as requests
from hookstream_keys.context.idempotency import IdempotentRequest
from hookstream_keys.context.principal import (
    Authenticated,
    KeyPrincipal,
    Principal,
    SessionPrincipal,
)
from hookstream_keys.context.request import Request
from hookstream_keys.contract import spec
from hookstream_keys.contract.parameters import bad_parameters
from hookstream_keys.domain import versions
from hookstream_keys.domain.errors import Detail, InsufficientScope, Overloaded, StoredIncompletely
from hookstream_keys.handlers import (
    OPERATIONS,
    PREPARED,
    UNBOUNDED,
    WRITING,
    audit,
    sessions,
    verification,
)
from hookstream_keys.handlers.context import (
    Answer,
    Dependencies,
    Headers,
    RequestContext,
    RetryInWriteTransaction,
    Unfinished,
    WriteContext,
)
from hookstream_keys.handlers.recheck import write_context
from hookstream_keys.http.fair_threads import FairThreads
from hookstream_keys.http.per_operation import PerOperationMiddleware
from hookstream_keys.http.rate_limiting import RateLimiting, tenant_of
from hookstream_keys.http.responses import respond
from hookstream_keys.runtime.jobs import RETRY_SECONDS
from hookstream_keys.runtime.task_writer import TaskWriter
from hookstream_keys.runtime.writer import Writer
from hookstream_keys.store import IdempotentReplay, Store, StoreError

log = logging.getLogger("hookstream_keys")

#: How many password checks run at once in a worker: each takes a core for a twentieth of a second,
#: and 32 MiB.
PASSWORDS_AT_ONCE = 2
#: How many wait: two seconds' work.
PASSWORDS_WAITING = 64
#: The same of reads whose cost nothing bounds, and for how many seconds each runs at most.
READS_AT_ONCE = 2
READS_WAITING = 32
READ_SECONDS = 1.0
#: How much of a User-Agent is stored with a session.
MAX_USER_AGENT = 300


class HandlerDispatcher(PerOperationMiddleware):
    """Answers the operations of the API; pages go on to the application behind it."""

    def __init__(
        self,
        app: ASGIApp,
        store: Store,
        credentials: Credentials,
        dependencies: Dependencies,
        writer: Writer | TaskWriter,
        limiting: RateLimiting,
    ) -> None:
        super().__init__(app)
        self._store = store
        self._credentials = credentials
        self._dependencies = dependencies
        self._writer = writer
        self._limiting = limiting
        self._passwords = FairThreads("passwords", PASSWORDS_AT_ONCE, PASSWORDS_WAITING)
        self._reads = FairThreads("reads", READS_AT_ONCE, READS_WAITING)
        self._steps = asyncio.Lock()

    def prepare(self, operation: AbstractOperation) -> ASGIApp:
        """Find the operation's handler. Raises LookupError when there is none."""
        described = spec.operation(operation.operation_id)
        if described.is_page:
            return self.app
        if described.id not in OPERATIONS:
            raise LookupError(f"no handler for {described.id}")
        return functools.partial(self._handle, described)

    async def _handle(
        self, operation: spec.Operation, scope: Scope, _: Receive, send: Send
    ) -> None:
        request = requests.of(scope)
        context = self._context(request, operation)
        arguments = request.arguments
        if operation.counted_entries:
            # Here, once: a read that is repeated as a write is counted only once.
            entries = len(arguments["body"][operation.counted_entries])
            await self._limiting.count_entries(request, entries)
        if operation.id in PREPARED:
            prepared = await self._prepared_for(operation, context, arguments)
            arguments = {**arguments, "prepared": prepared}
        if UNBOUNDED.get(operation.id) in arguments:
            answer = await self._read_aside(operation, context, arguments)
        elif operation.id in WRITING or _will_write(request.principal):
            answer = await self._writer.run(
                lambda: self._write(operation, context, arguments), _flow(request.principal)
            )
            if isinstance(answer[0], Unfinished):
                answer = await self._finished(answer, request)
        else:
            await _record_use(operation, context)
            try:
                answer = await _answer(operation.id, context, arguments)
            except RetryInWriteTransaction:
                answer = await self._writer.run(
                    lambda: self._write(operation, context, arguments, used=True),
                    _flow(request.principal),
                )
        await respond(request, answer, send)

    async def _write(
        self,
        operation: spec.Operation,
        context: RequestContext,
        arguments: dict[str, Any],
        *,
        used: bool = False,
    ) -> Answer:
        """Call the handler inside the write transaction, after a recheck of the principal."""
        checked = await self._rechecked(operation, context)
        if not used:
            await _record_use(operation, checked)
        return await _answer(operation.id, checked, arguments)

    async def _rechecked(self, operation: spec.Operation, context: RequestContext) -> WriteContext:
        return await write_context(
            context, self._store, self._credentials.current, optional=operation.optional
        )

    async def _read_aside(
        self, operation: spec.Operation, context: RequestContext, arguments: dict[str, Any]
    ) -> Answer:
        """Call a handler that only reads beside the event loop. Raises Overloaded, QueryTimeout."""
        principal = context.principal
        if isinstance(principal, KeyPrincipal) and principal.pending_rotation is not None:
            # The use of a pending secret is a write, and a short one.
            await self._writer.run(
                lambda: self._use_pending_secret(operation, context), _flow(principal)
            )
        else:
            await _record_use(operation, context)
        if isinstance(principal, SessionPrincipal):
            # Another request renews the session.
            context = dataclasses.replace(
                context, principal=dataclasses.replace(principal, due=False)
            )

        async def read() -> Answer:
            with self._store.deadline(READ_SECONDS):
                return await _answer(operation.id, context, arguments)

        return await self._beside(read, principal)

    async def _beside(
        self, read: Callable[[], Coroutine[Any, Any, Answer]], principal: Principal
    ) -> Answer:
        """What a read that takes long returns, without holding up the event loop."""
        async with self._reads.turn(_flows(principal)) as aside:
            return await self._store.read_beside(read, aside)

    async def _use_pending_secret(self, operation: spec.Operation, context: RequestContext) -> None:
        await _record_use(operation, await self._rechecked(operation, context))

    async def _finished(self, answer: Answer, request: Request) -> Answer:
        """The answer after all of its steps, with the headers of the first.

        The change is stored: when the server is overloaded, a step waits until it is not. Raises
        StoredIncompletely when the database fails.
        """
        headers: Headers = {}
        while True:
            body, status, *rest = answer
            headers |= rest[0] if rest else {}
            if not isinstance(body, Unfinished):
                return body, status, headers
            try:
                if body.writes:
                    # One at a time, so that several together hold the write lock no longer.
                    async with self._steps:
                        answer = await self._writer.run(body.step, _flow(request.principal))
                else:
                    answer = await self._beside(body.step, request.principal)
            except Overloaded:
                await asyncio.sleep(RETRY_SECONDS)
            except StoreError as error:
                log.warning("request_id=%s to be completed later: %s", request.id, error)
                raise StoredIncompletely from error

    async def _prepared_for(
        self, operation: spec.Operation, context: RequestContext, arguments: dict[str, Any]
    ) -> Any:
        """The result of the operation's slow preparation, if it has one. Raises Overloaded."""
        preparation = PREPARED[operation.id]
        # Before the queue: what is refused anyway takes no place in it.
        await preparation.admit(context, **arguments)
        try:
            async with self._passwords.turn(preparation.flows(context, **arguments)) as aside:
                return await preparation.work(context, aside, **arguments)
        except Overloaded:
            await preparation.reject(context, **arguments)
            raise

    def _context(self, request: Request, operation: spec.Operation) -> RequestContext:
        key = request.header(b"idempotency-key") if operation.idempotent else None
        idempotent_request = None
        if key is not None:
            caller = audit.actor_of(request.principal) or ""
            idempotent_request = IdempotentRequest.of(
                self._dependencies.signer,
                key,
                caller=caller,
                operation=operation.id,
                arguments=request.arguments,
            )
        return RequestContext(
            store=self._store,
            principal=request.principal,
            request_id=request.id,
            address=request.address or None,
            now=request.moment,
            random=request.random,
            user_agent=(request.header(b"user-agent") or "")[:MAX_USER_AGENT],
            secure=request.scheme == "https",
            dependencies=self._dependencies,
            idempotent_request=idempotent_request,
            if_match=_if_match(request) if operation.conditional else None,
        )


def _flow(principal: Principal) -> str | None:
    """The tenant that a request belongs to, if any."""
    return tenant_of(principal) if isinstance(principal, Authenticated) else None


def _flows(principal: Principal) -> tuple[str, ...]:
    """The flows of the fair queue that a read belongs to."""
    flow = _flow(principal)
    return () if flow is None else (flow,)


def _if_match(request: Request) -> str | None:
    value = request.header(b"if-match")
    if value is not None and not versions.is_if_match(value):
        wanted = 'is neither * nor an ETag with its quotation marks, such as "5e1f"'
        raise bad_parameters([Detail("header/If-Match", wanted)])
    return value


def _will_write(principal: Principal) -> bool:
    """Whether any use of this credential changes it."""
    match principal:
        case SessionPrincipal(due=due):
            return due
        case KeyPrincipal(pending_rotation=pending):
            return pending is not None
        case _:
            return False


async def _record_use(operation: spec.Operation, context: RequestContext) -> None:
    """Record that this request uses a key, whatever its outcome.

    A key whose scopes do not cover the operation is not used, as in verification.
    """
    scope, principal = operation.required_scope, context.principal
    if scope and isinstance(principal, KeyPrincipal) and not principal.scopes.allow(scope):
        return
    if operation.id != "authorize":
        # It does so itself, and only when the other checks pass.
        await verification.record_use(context)


async def _answer(operation_id: str, context: RequestContext, arguments: dict[str, Any]) -> Answer:
    """The handler's answer, with the headers that the credential adds."""
    try:
        body, status, *rest = await OPERATIONS[operation_id](context, **arguments)
    except IdempotentReplay as repeated:
        if context.idempotent_request is None:
            raise
        body, status, *rest = context.idempotent_request.answer(repeated.record)
        rest = [{**(rest[0] if rest else {}), "Idempotency-Replayed": "true"}]
    except InsufficientScope:
        verification.count(context, "INSUFFICIENT_SCOPE")
        raise
    headers: Headers = rest[0] if rest else {}
    expires_at = getattr(context.principal, "expires_at", None)
    if expires_at is not None:
        headers = {"X-Key-Expires-At": expires_at, **headers}
    if operation_id not in sessions.OPERATIONS:
        renewed = await sessions.renew(context)
        headers = {**renewed, **headers} if renewed else headers
    return body, status, headers
