"""Liveness and readiness."""

from hookstream_keys.handlers.context import (
    Answer,
    RequestContext,
    RetryInWriteTransaction,
    WriteContext,
)

#: For how many seconds after a successful write no test write is needed.
PROVED_SECONDS = 1.0


async def get_health(context: RequestContext) -> Answer:
    """Answer: the process is alive."""
    return {"status": "ok"}, 200


async def get_readiness(context: RequestContext) -> Answer:
    """Check the database, and write to the disk. A store that is not ready raises: 503."""
    # What this process has found when it started, a newer version may have upgraded since.
    await context.store.check(newer=True)
    if not context.store.wrote_within(PROVED_SECONDS):
        if not isinstance(context, WriteContext):
            raise RetryInWriteTransaction
        await context.store.try_to_write()
    return {"status": "ready"}, 200
