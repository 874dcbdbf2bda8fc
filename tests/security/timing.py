"""Whether two kinds of request can be told apart by how long their answers take.

One request of each kind is sent in every round, in a random order, over one connection: what
the machine does besides falls on all kinds alike. Two kinds are compared by

- the difference of the medians, as a part of the first one's, with a bootstrap interval; and
- the AUC: how often an answer of the second kind took longer than one of the first. It is the
  Mann-Whitney U over the number of pairs; 0.5 is a toss.

A median, not a mean: a pause of the machine is hundreds of times as long as an answer.
"""

import random
import socket
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

#: How sure the interval of the difference is, and of how many draws it is made.
CONFIDENCE = 0.999
DRAWS = 2000

#: So many rounds are made ready before the first of them is sent: how long the making of a
#: request takes would otherwise be seen in the answer, since a server that waits cools down.
CHUNK = 500
WARM_UP = 20

#: Makes the next request of a kind, as the bytes that are sent.
Next = Callable[[], bytes]


class Connection:
    """A kept connection, with nothing between the socket and the clock."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host = parts.netloc
        self._socket = socket.create_connection((parts.hostname, parts.port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        self._socket.close()

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a request; how many nanoseconds the whole answer took, and the answer."""
        begun = time.perf_counter_ns()
        self._socket.sendall(request)
        answer = self._socket.recv(65536)
        while not _is_whole(answer):
            more = self._socket.recv(65536)
            assert more, "the server closed the connection"
            answer += more
        return time.perf_counter_ns() - begun, answer


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    _, _, length = head.lower().partition(b"content-length: ")
    return bool(end) and len(body) >= int(length.partition(b"\r\n")[0] or 0)


def measure(
    connection: Connection, kinds: Mapping[str, Next], rounds: int, seed: int
) -> dict[str, list[int]]:
    """How long each answer of each kind took, in nanoseconds, and in the order of the rounds."""
    chance = random.Random(seed)  # noqa: S311 - it is to be the same again
    found: dict[str, list[int]] = {kind: [] for kind in kinds}
    for first in range(0, rounds, CHUNK):
        chunk = [
            (kind, kinds[kind]())
            for _ in range(min(CHUNK, rounds - first))
            for kind in chance.sample(list(kinds), len(kinds))
        ]
        # What the pause before left in no cache is fetched by requests that do not count.
        for _, request in chunk[: WARM_UP if rounds > WARM_UP else 1]:
            connection.ask(request)
        for kind, request in chunk:
            found[kind].append(connection.ask(request)[0])
    return found


@dataclass(frozen=True)
class Comparison:
    """How two kinds differ."""

    #: Of the first kind, in nanoseconds.
    median: float
    #: The second median is so much more than the first, as a part of it; from, to.
    difference: float
    interval: tuple[float, float]
    auc: float

    def is_within(self, margin: float) -> bool:
        """Whether the difference is surely no more than `margin`: in practice there is none."""
        return -margin <= self.interval[0] and self.interval[1] <= margin

    def is_beyond(self, margin: float) -> bool:
        """Whether the difference is surely more than `margin`: they can be told apart."""
        return self.interval[0] > margin or self.interval[1] < -margin

    def __str__(self) -> str:
        low, high = (f"{100 * bound:+.1f}" for bound in self.interval)
        return (
            f"{self.median / 1000:.0f} µs, {100 * self.difference:+.2f} % [{low}, {high}],"
            f" AUC {self.auc:.3f}"
        )


def compare(first: list[int], second: list[int], seed: int) -> Comparison:
    """Compare what two kinds took."""
    one, other = sorted(first), sorted(second)
    chance = random.Random(seed)  # noqa: S311 - it is to be the same again
    draws = sorted(
        _drawn_median(other, chance) / _drawn_median(one, chance) - 1 for _ in range(DRAWS)
    )
    beyond = int(DRAWS * (1 - CONFIDENCE) / 2)
    return Comparison(
        median=one[len(one) // 2],
        difference=other[len(other) // 2] / one[len(one) // 2] - 1,
        interval=(draws[beyond], draws[-1 - beyond]),
        auc=auc(one, other),
    )


def _drawn_median(values: list[int], chance: random.Random) -> int:
    """The median of as many values drawn again: its rank is Beta-distributed, so one draw does."""
    middle = len(values) / 2
    return values[min(int(chance.betavariate(middle, middle) * len(values)), len(values) - 1)]


def auc(one: list[int], other: list[int]) -> float:
    """How often a value of `other` is the larger one; a tie is half. `one` is sorted."""
    wins = sum(bisect_left(one, value) + bisect_right(one, value) for value in other)
    return wins / (2 * len(one) * len(other))
