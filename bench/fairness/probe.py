"""The light tenant's client: `GET /v1/auth/authorize`, the next one as soon as one is answered.

Not wrk: at the end of a run it abandons the request that waits, and with a few seconds for each
answer that is all there is to measure. This waits for it.
"""

import gc
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from harness.client_process import Connection

_AUTHORIZED = 204
#: A latency above so many times the mean hides requests that a client at a constant rate had sent.
_STALL = 2


@dataclass(frozen=True)
class Latency:
    """Of `authorize`, in seconds."""

    p50: float
    p99: float
    #: How many answers were none: 503, or another status than 204.
    refused: int


class Probe:
    """A client with the light tenant's key, which has a connection."""

    def __init__(self, port: int, key_id: str, secret: str) -> None:
        self._connection = Connection(port)
        self._request = (
            f"GET /v1/auth/authorize HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {secret}\r\n\r\n"
        ).encode()
        self._shown = key_id.encode()

    def measure(self, seconds: float) -> Latency:
        """Send for so many seconds, and wait for the last answer."""
        latencies, refused = [], 0
        # A collection would be a latency of this client.
        gc.disable()
        try:
            now = begun = time.perf_counter()
            while now - begun < seconds:
                status, response = self._connection.exchange(self._request)
                answered = time.perf_counter()
                latencies.append(answered - now)
                refused += status != _AUTHORIZED or self._shown not in response
                now = answered
        finally:
            gc.enable()
        corrected = sorted(chain.from_iterable(_corrected(latencies)))
        return Latency(_percentile(corrected, 50), _percentile(corrected, 99), refused)


def _corrected(latencies: list[float]) -> Iterable[Iterable[float]]:
    """The latencies, corrected for coordinated omission as wrk 4 does.

    The requests that would have been sent during a stall, one after each mean latency, waited for
    the rest of it.
    """
    mean = sum(latencies) / len(latencies)
    for latency in latencies:
        yield (latency,)
        if latency > _STALL * mean:
            yield (latency - each * mean for each in range(1, int(latency / mean)))


def _percentile(ordered: list[float], percent: int) -> float:
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
