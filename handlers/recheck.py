"""Every write checks its principal again, inside its write transaction.

Between authentication and the transaction, the key may have been revoked, disabled, narrowed or
rotated, the session may have ended. The transaction holds the database's write lock, so what it
reads cannot change before its commit; in a group commit, each request sees the changes of those
before it. The handler looks up memberships in the same transaction.

This is the only place that creates a `WriteContext`.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime

from hookstream_keys.context.principal import ANONYMOUS, Authenticated, Principal
from hookstream_keys.domain.errors import Unauthorized
from hookstream_keys.handlers.context import RequestContext, WriteContext
from hookstream_keys.store import Store

#: Returns a principal as it is at a moment, for its request's address and id; None when it is no
#: longer valid.
Current = Callable[[Principal, str | None, str, datetime], Awaitable[Authenticated | None]]


async def write_context(
    context: RequestContext, store: Store, current: Current, *, optional: bool
) -> WriteContext:
    """The request with the right to write, at the moment of its write transaction.

    Where the operation is `optional` about a credential, one that is no longer valid leaves the
    caller anonymous. Raises Unauthorized otherwise, and RuntimeError outside a write transaction.
    """
    if not store.is_in_write_transaction():
        raise RuntimeError("a principal is checked again inside the write transaction only")
    moment = context.dependencies.sources.now()
    principal: Principal | None = context.principal
    if isinstance(principal, Authenticated):
        principal = await current(principal, context.address, context.request_id, moment)
        if principal is None and not optional:
            raise Unauthorized(credential_sent=True)
    return WriteContext(
        store=store,
        principal=principal or ANONYMOUS,
        request_id=context.request_id,
        address=context.address,
        now=moment,
        random=context.random,
        user_agent=context.user_agent,
        secure=context.secure,
        dependencies=context.dependencies,
        idempotent_request=context.idempotent_request,
        if_match=context.if_match,
    )
