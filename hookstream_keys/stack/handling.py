"""Handling: from a request to a handler's call, and from its answer to a response.

What only reads is done where the request is, without a thread between: a look into the
database takes a few microseconds. What writes, and so waits for the disk, is the writer's.
"""

import functools
from typing import Any

import orjson
from connexion.operations import AbstractOperation
from starlette.types import ASGIApp, Receive, Scope, Send

from hookstream_keys import request as requests
from hookstream_keys import spec
from hookstream_keys.call import Answer, Call, Headers, MustWrite, Service
from hookstream_keys.credentials import Credentials
from hookstream_keys.errors import InsufficientScope, Overloaded
from hookstream_keys.handlers import OPERATIONS, PREPARED, WRITING, audit, sessions, verification
from hookstream_keys.idempotency import Once
from hookstream_keys.principal import KeyPrincipal, Principal, SessionPrincipal
from hookstream_keys.recheck import write_call
from hookstream_keys.request import Request
from hookstream_keys.responses import JSON, REQUEST_ID, fields
from hookstream_keys.stack.password_checks import PasswordChecks
from hookstream_keys.stack.prepared import Prepared
from hookstream_keys.stack.writer import Writer
from hookstream_keys.store import Repeated, Store

#: So much of a User-Agent is kept with a session; nobody reads on.
MAX_USER_AGENT = 300


class Handling(Prepared):
    """Answers the operations of the API; what is a page goes on to the application behind."""

    def __init__(
        self,
        app: ASGIApp,
        store: Store,
        credentials: Credentials,
        service: Service,
        writer: Writer,
    ) -> None:
        super().__init__(app)
        self._store = store
        self._credentials = credentials
        self._service = service
        self._writer = writer
        self._passwords = PasswordChecks()

    def prepare(self, operation: AbstractOperation) -> ASGIApp:
        """Find the operation's handler now. Raises LookupError when there is none."""
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
        call = self._call(request, operation)
        arguments = request.arguments
        if operation.id in PREPARED:
            prepared = await self._prepared_for(operation, call, arguments)
            arguments = {**arguments, "prepared": prepared}
        if operation.id in WRITING or _will_write(request.principal):
            answer = await self._writer.run(lambda: self._write(operation, call, arguments))
        else:
            _use(operation, call)
            try:
                answer = _answer(operation.id, call, arguments)
            except MustWrite:
                answer = await self._writer.run(
                    lambda: self._write(operation, call, arguments, used=True)
                )
        await _respond(request, answer, send)

    def _write(
        self,
        operation: spec.Operation,
        call: Call,
        arguments: dict[str, Any],
        *,
        used: bool = False,
    ) -> Answer:
        """Answer inside the write transaction, to a principal that is valid in it."""
        checked = write_call(
            call, self._store, self._credentials.current, optional=operation.optional
        )
        if not used:
            _use(operation, checked)
        return _answer(operation.id, checked, arguments)

    async def _prepared_for(
        self, operation: spec.Operation, call: Call, arguments: dict[str, Any]
    ) -> Any:
        """What takes a while, done beside everything else. Raises Overloaded."""
        preparation = PREPARED[operation.id]
        # Before it waits for its turn: what is refused anyway takes no place in the queue.
        preparation.admit(call, **arguments)
        work = functools.partial(preparation.work, call, **arguments)
        try:
            return await self._passwords.run(work, preparation.flows(call, **arguments))
        except Overloaded:
            preparation.reject(call, **arguments)
            raise

    def _call(self, request: Request, operation: spec.Operation) -> Call:
        key = request.header(b"idempotency-key") if operation.once else None
        once = None
        if key is not None:
            caller = audit.actor_of(request.principal) or ""
            once = Once.of(
                self._service.signer,
                key,
                caller=caller,
                operation=operation.id,
                arguments=request.arguments,
            )
        return Call(
            store=self._store,
            principal=request.principal,
            request_id=request.id,
            address=request.address or None,
            now=request.moment,
            user_agent=(request.header(b"user-agent") or "")[:MAX_USER_AGENT],
            secure=request.scheme == "https",
            service=self._service,
            once=once,
        )


def _will_write(principal: Principal) -> bool:
    """Whether using this credential changes it, whatever for."""
    match principal:
        case SessionPrincipal(due=due):
            return due
        case KeyPrincipal(pending_rotation=pending):
            return pending is not None
        case _:
            return False


def _use(operation: spec.Operation, call: Call) -> None:
    """See to it that a key is used by this request, whatever becomes of that.

    A key whose scopes do not cover the operation is not good for it, and so not used: what
    verification would say of it, too.
    """
    scope, principal = operation.required_scope, call.principal
    if scope and isinstance(principal, KeyPrincipal) and not principal.scopes.allow(scope):
        return
    if operation.id != "authorize":
        # Which does so itself, and only when everything else is right.
        verification.use(call)


def _answer(operation_id: str, call: Call, arguments: dict[str, Any]) -> Answer:
    """What the handler answers, and what comes with the credential."""
    try:
        body, status, *rest = OPERATIONS[operation_id](call, **arguments)
    except Repeated as repeated:
        if call.once is None:
            raise
        body, status, *rest = call.once.answer(repeated.receipt)
        rest = [{**(rest[0] if rest else {}), "Idempotency-Replayed": "true"}]
    except InsufficientScope:
        verification.count(call, "INSUFFICIENT_SCOPE")
        raise
    headers: Headers = rest[0] if rest else {}
    expires_at = getattr(call.principal, "expires_at", None)
    if expires_at is not None:
        headers = {"X-Key-Expires-At": expires_at, **headers}
    if operation_id not in sessions.OPERATIONS:
        renewed = sessions.renew(call)
        headers = {**renewed, **headers} if renewed else headers
    return body, status, headers


async def _respond(request: Request, answer: Answer, send: Send) -> None:
    body, status, *rest = answer
    # Here as well as at the gate: the document requires it, and responses may be validated.
    headers = [(REQUEST_ID, request.id.encode())]
    raw = b""
    if body is not None:
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        headers += [(b"content-type", JSON), (b"content-length", b"%d" % len(raw))]
    headers += fields(rest[0] if rest else {})
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": raw})
