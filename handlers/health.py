"""Whether the process lives, and whether it can work."""

from hookstream_keys.handlers.context import (
    Answer,
    RequestContext,
    RetryInWriteTransaction,
    WriteContext,
)

#: A write that reached the disk proves for so many seconds that the next one can.
PROVED_SECONDS = 1.0


def get_health(context: RequestContext) -> Answer:
    """Answering is the whole of it."""
    return {"status": "ok"}, 200


def get_readiness(context: RequestContext) -> Answer:
    """Ask the database, and write to the disk. A store that is not ready raises: 503."""
    context.store.check()
    if not context.store.wrote_within(PROVED_SECONDS):
        if not isinstance(context, WriteContext):
            raise RetryInWriteTransaction
        context.store.try_to_write()
    return {"status": "ready"}, 200
