"""The process of some clients: keep-alive connections that send at once again, or at a rate.

`clients` starts it. It reads a line of JSON, prints a line when it is connected, sends until its
standard input ends or nothing is left to send, and prints the answers as a line of JSON. It parses
only the head of a response: more would take time from the server.
"""

import itertools
import json
import os
import socket
import sys
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field

CONNECTIONS = 4
#: Where they send at a rate: enough for those that wait for a commit.
PACED_CONNECTIONS = 16
#: For one answer: the deletion of an environment used to take a quarter of a minute.
_ANSWER_SECONDS = 120
_UNAVAILABLE = 503
_BLOCK = 256 * 1024
_LENGTH, _CLOSE = b"content-length:", b"connection: close"
#: The clients that are measured come first, where these send as much as they can.
_NICENESS = 5


@dataclass
class Answers:
    """What came back."""

    #: Of each answer with the expected status, in seconds, and when the last one came.
    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0
    statuses: dict[str, int] = field(default_factory=dict)
    #: The beginning of the first one, and of the first one with another status.
    first: str = ""
    first_wrong: str = ""

    @property
    def refused(self) -> int:
        """How many were 503."""
        return self.statuses.get(str(_UNAVAILABLE), 0)


class Connection:
    """A connection, kept for as long as the server keeps it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._block = bytearray(_BLOCK)
        self._socket: socket.socket | None = None
        self.open()

    def open(self) -> None:
        """Connect."""
        address = ("127.0.0.1", self._port)
        self._socket = socket.create_connection(address, timeout=_ANSWER_SECONDS)

    def exchange(self, request: bytes) -> tuple[int, bytes]:
        """The status of the response to a request, and its beginning."""
        self.send(request)
        return self.receive()

    def send(self, request: bytes) -> None:
        """Send a request, whose response is to be received before the next one is sent."""
        if self._socket is None:
            self.open()
        assert self._socket is not None  # noqa: S101 - for mypy
        self._socket.sendall(request)

    def fileno(self) -> int:
        """What becomes readable when a response has begun. Raises OSError when it is closed."""
        if self._socket is None:
            raise OSError("the server closed the connection")
        return self._socket.fileno()

    def receive(self) -> tuple[int, bytes]:
        """Wait for the response: its status, and its beginning."""
        assert self._socket is not None  # noqa: S101 - for mypy
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._read(self._socket)
        head, _, body = received.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next((int(line[len(_LENGTH) :]) for line in lines if line.startswith(_LENGTH)), 0)
        left = length - len(body)
        while left > 0:
            part = self._read(self._socket)
            left -= len(part)
            if len(received) < _BLOCK:
                received += part
        if _CLOSE in lines:
            self._socket.close()
            self._socket = None
        return int(head.split(b" ", 2)[1]), received

    def _read(self, connection: socket.socket) -> bytes:
        count = connection.recv_into(self._block)
        if count == 0:
            raise ConnectionError("the server closed the connection")
        return bytes(memoryview(self._block)[:count])


class _Clients:
    """Connections in threads, which share what is to be sent."""

    def __init__(
        self, requests: list[bytes], *, once: bool, status: int, per_second: float
    ) -> None:
        self._left = iter(requests if once else itertools.cycle(requests))
        self._status = status
        self._interval = 1 / per_second if per_second else 0.0
        self._sent = 0
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._begun = time.perf_counter()
        self._is_stopped = False
        self.answers = Answers()

    def run(self, connection: Connection) -> None:
        """Send and receive, until nothing is left or `stop` was called."""
        try:
            while (request := self._next()) is not None:
                begun = time.perf_counter()
                status, beginning = connection.exchange(request)
                self._count(status, beginning, time.perf_counter() - begun)
        except OSError as error:
            with self._lock:
                self.answers.first_wrong = self.answers.first_wrong or repr(error)

    def stop(self) -> None:
        """Send nothing more."""
        self._is_stopped = True

    def report(self) -> str:
        """What came back, as JSON."""
        self.answers.statuses = dict(self._counts)
        return json.dumps(asdict(self.answers))

    def _next(self) -> bytes | None:
        with self._lock:
            request = None if self._is_stopped else next(self._left, None)
            due = self._begun + self._sent * self._interval
            self._sent += 1
        if self._interval and request is not None:
            # What is late is sent at once: the rate holds, as long as the server keeps up.
            time.sleep(max(0.0, due - time.perf_counter()))
        return request

    def _count(self, status: int, beginning: bytes, seconds: float) -> None:
        with self._lock:
            answers = self.answers
            self._counts[str(status)] += 1
            if status == self._status:
                answers.first = answers.first or beginning.decode("latin-1")
                answers.latencies.append(seconds)
            elif status != _UNAVAILABLE:
                answers.first_wrong = answers.first_wrong or beginning[:1000].decode("latin-1")
            answers.seconds = time.perf_counter() - self._begun


def main() -> None:
    """Be such a process."""
    job = json.loads(sys.stdin.readline())
    if not job["per_second"]:
        os.nice(_NICENESS)
    requests = [request.encode("latin-1") for request in job["requests"]]
    number = PACED_CONNECTIONS if job["per_second"] else CONNECTIONS
    connections = [Connection(job["port"]) for _ in range(number)]
    print("connected", flush=True)
    clients = _Clients(
        requests, once=job["once"], status=job["status"], per_second=job["per_second"]
    )
    threads = [threading.Thread(target=clients.run, args=(each,)) for each in connections]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    clients.stop()
    for thread in threads:
        thread.join()
    print(clients.report())


if __name__ == "__main__":
    main()
