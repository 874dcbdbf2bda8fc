"""Between Connexion and a handler: a request there is a `Call` here, an answer a response."""

import dataclasses
import functools
from typing import Any

import flask
from connexion.context import context, operation

from hookstream_keys import spec, timestamps
from hookstream_keys.call import Answer, Call, Headers, Service
from hookstream_keys.errors import InsufficientScope
from hookstream_keys.handlers import OPERATIONS, Handler, audit, sessions, verification
from hookstream_keys.idempotency import Once
from hookstream_keys.principal import Anonymous
from hookstream_keys.store import Repeated, Store

#: So much of a User-Agent is kept with a session; nobody reads on.
MAX_USER_AGENT = 300


#: The operations that a client may have done once.
ONCE = {operation.id for operation in spec.operations(spec.document()) if operation.once}


def bound(store: Store, service: Service, operation_id: str) -> Handler:
    """The handler of an operation as Connexion calls it.

    Beside what the handler does, whoever is behind the request uses its credential: that counts
    for a key's limit, and renews a session.
    """
    handler = OPERATIONS[operation_id]
    once = operation_id in ONCE

    @functools.wraps(handler)
    def called(**arguments: Any) -> Answer:
        if operation.operation_id != operation_id:
            # Connexion's router and Flask's disagree: fail closed, whoever is wrong.
            raise RuntimeError(f"{operation_id} was reached as {operation.operation_id}")
        call = _call(store, service)
        if operation_id != "authorize":
            # Which does so itself, and only when everything else is right.
            verification.use(call)
        if once:
            call = _once(call, operation_id, arguments)
        try:
            body, status, *headers = handler(call, **arguments)
        except Repeated as repeated:
            if call.once is None:
                raise
            body, status, *headers = call.once.answer(repeated.receipt)
            headers = [{**(headers[0] if headers else {}), "Idempotency-Replayed": "true"}]
        except InsufficientScope:
            verification.count(call, "INSUFFICIENT_SCOPE")
            raise
        # Here as well as at the gate: the document requires it, and responses may be validated.
        common: Headers = {"X-Request-Id": call.request_id}
        expires_at = getattr(call.principal, "expires_at", None)
        if expires_at is not None:
            common["X-Key-Expires-At"] = expires_at
        if operation_id not in sessions.OPERATIONS:
            common |= sessions.renew(call)
        return body, status, {**common, **(headers[0] if headers else {})}

    return called


def _once(call: Call, operation_id: str, arguments: dict[str, Any]) -> Call:
    """The call, to be done once where the client says so."""
    key = flask.request.headers.get("idempotency-key")
    if key is None:
        return call
    caller = audit.actor(call) or ""
    once = Once.of(
        call.service.signer, key, caller=caller, operation=operation_id, arguments=arguments
    )
    return dataclasses.replace(call, once=once)


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
