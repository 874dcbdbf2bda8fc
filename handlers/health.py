"""Whether the process lives, and whether it can work."""

from hookstream_keys.call import Answer, Call


def get_health(call: Call) -> Answer:
    """Answering is the whole of it."""
    return {"status": "ok"}, 200


def get_readiness(call: Call) -> Answer:
    """Ask the database. A store that is not ready raises, and 503 is answered."""
    call.store.check()
    return {"status": "ready"}, 200
