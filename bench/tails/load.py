"""Verifications at a constant rate, whatever the server does: an open-loop client."""

import gc
import itertools
import select
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from harness.client_process import Connection
from harness.programs import Unusable

_OK = 200


@dataclass(frozen=True)
class Answer:
    """When a request was due, by `time.monotonic`, and how long after that it was answered.

    `late` is the part of that before it was sent: of this client, which the machine may stop, too.
    """

    due: float
    latency: float
    late: float


def send(
    port: int, requests: Sequence[bytes], *, connections: int, per_second: float, seconds: float
) -> list[Answer]:
    """Send the requests in turn, at that rate, each on a connection that waits for none.

    A request that is due while all connections wait is late, which counts as its latency. Raises
    Unusable for a wrong answer.
    """
    idle = deque(Connection(port) for _ in range(connections))
    #: When each one's request was due, and when it was sent.
    busy: dict[Connection, tuple[float, float]] = {}
    found: list[Answer] = []
    content = itertools.cycle(requests)
    sent, count = 0, int(per_second * seconds)
    # A collection would be a latency of this client.
    gc.disable()
    try:
        begun = time.monotonic()
        while len(found) < count:
            now = time.monotonic()
            while sent < count and idle and begun + sent / per_second <= now:
                connection = idle.popleft()
                connection.send(next(content))
                busy[connection] = (begun + sent / per_second, time.monotonic())
                sent += 1
            next_due = begun + sent / per_second if sent < count and idle else now + 1
            wait = max(0.0, next_due - time.monotonic())
            # Not epoll, which waits for whole milliseconds.
            readable, _, _ = select.select(list(busy), (), (), wait)
            for connection in readable:
                status, beginning = connection.receive()
                due, sent_at = busy.pop(connection)
                found.append(Answer(due, time.monotonic() - due, sent_at - due))
                idle.append(connection)
                if status != _OK or b'"VALID"' not in beginning:
                    raise Unusable(f"a wrong answer: {beginning[:1000].decode('latin-1')}")
    finally:
        gc.enable()
    return found
