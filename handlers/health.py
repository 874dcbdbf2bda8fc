"""Whether the process lives, and whether it can work."""

from hookstream_keys.call import Answer, Call, MustWrite, WriteCall

#: A write that reached the disk proves for so many seconds that the next one can.
PROVED_SECONDS = 1.0


def get_health(call: Call) -> Answer:
    """Answering is the whole of it."""
    return {"status": "ok"}, 200


def get_readiness(call: Call) -> Answer:
    """Ask the database, and write to the disk. A store that is not ready raises: 503."""
    call.store.check()
    if not call.store.wrote_within(PROVED_SECONDS):
        if not isinstance(call, WriteCall):
            raise MustWrite
        call.store.try_to_write()
    return {"status": "ready"}, 200
