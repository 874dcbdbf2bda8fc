"""The API's operations, called in this process, without HTTP and without a credential."""

from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from functools import cache
from typing import Any

from hookstream_keys.context.principal import Authenticated, Principal
from hookstream_keys.contract import parameters, spec
from hookstream_keys.contract.schemas import Body
from hookstream_keys.handlers import OPERATIONS, PREPARED, WRITING
from hookstream_keys.handlers.context import (
    Answer,
    RequestContext,
    RetryInWriteTransaction,
    Unfinished,
)
from hookstream_keys.handlers.recheck import write_context
from hookstream_keys.store import Store


async def answer(
    context: RequestContext,
    store: Store,
    operation_id: str,
    body: Any = None,
    *,
    prepared: Any = None,
    **given: str | None,
) -> Answer:
    """The response to the context's principal, which is taken at its word.

    Input is validated by the document, as over HTTP. `prepared` is the result of the slow work
    before a handler, where it has some (`handlers.PREPARED`). Raises ApiError.
    """
    arguments = parameters.read_all(parameters.of_operation(operation_id), given)
    if body is not None:
        arguments["body"] = _body(operation_id).check(body)
    handler = OPERATIONS[operation_id]
    if operation_id in PREPARED:
        arguments["prepared"] = prepared
    if operation_id not in WRITING:
        with suppress(RetryInWriteTransaction):
            return await handler(context, **arguments)
    # As over HTTP: the change and what it relies on are in one transaction.
    async with _transaction(store):
        checked = await write_context(context, store, _unchanged, optional=False)
        done = await handler(checked, **arguments)
    while isinstance(done[0], Unfinished):
        async with _transaction(store) if done[0].writes else nullcontext():
            done = await done[0].step()
    return done


def _transaction(store: Store) -> AbstractAsyncContextManager[None]:
    """A write transaction, or the one that is open."""
    return nullcontext() if store.is_in_write_transaction() else store.group_commit()


async def _unchanged(principal: Principal, *_: object) -> Authenticated | None:
    """Replaces the check of credentials: there is none."""
    return principal if isinstance(principal, Authenticated) else None


@cache
def _body(operation_id: str) -> Body:
    """The operation's body, compiled once."""
    return Body(spec.request_schema(spec.document(), operation_id))
