"""Clients that note what becomes of every request and of every connection, byte for byte."""

import json
import select
import socket
import threading
from collections import Counter
from dataclasses import dataclass, field

from support import Server, Tenant


class Unanswered(Exception):
    """A request was sent, and there is no whole answer; the text says how it ended."""


@dataclass
class Visits:
    """What came of the requests of several clients, until the server is gone."""

    server: Server
    tenant: Tenant
    #: How requests ended, by the words for it.
    ends: Counter[str] = field(default_factory=Counter)
    #: The ids of the keys that were shown to be made.
    made: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def visit(self, *, keep: bool) -> None:
        """Send one request after the other, over one connection if it is kept, until refused."""
        while not self.over.is_set():
            try:
                connection = socket.create_connection(self.server.address, timeout=120)
            except ConnectionRefusedError:
                return
            except ConnectionResetError:
                self._count("reset while connecting")
                continue
            with connection:
                self._use(connection, keep=keep)

    def _use(self, connection: socket.socket, *, keep: bool) -> None:
        """Send requests over a connection until the server says that it was the last."""
        while not self.over.is_set():
            if select.select([connection], [], [], 0)[0]:
                self._count("closed before it was sent")
                return
            try:
                head, body = _exchange(connection, self._request(keep=keep))
            except Unanswered as how:
                self._count(str(how))
                return
            self._count(head.split(b"\r\n")[0].decode())
            with self._lock:
                self.made.append(json.loads(body)["id"])
            if b"connection: close" in head:
                return

    def _request(self, *, keep: bool) -> bytes:
        body = json.dumps(
            {"name": "visit", "org_id": self.tenant.org_id, "env_id": self.tenant.env_id}
        ).encode()
        close = b"" if keep else b"Connection: close\r\n"
        return (
            b"POST /v1/auth/api-keys HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n"
            b"X-API-Key: %s\r\n%sContent-Length: %d\r\n\r\n%s"
            % (self.tenant.key.encode(), close, len(body), body)
        )

    def _count(self, end: str) -> None:
        with self._lock:
            self.ends[end] += 1


def _exchange(connection: socket.socket, request: bytes) -> tuple[bytes, bytes]:
    """Send a request, and read its answer whole: header and body. Raises Unanswered."""
    received = b""
    try:
        connection.sendall(request)
        while True:
            head, found, body = received.partition(b"\r\n\r\n")
            if found and len(body) >= _length(head):
                return head.lower(), body
            chunk = connection.recv(65536)
            if not chunk:
                raise Unanswered("cut off" if received else "closed without an answer")
            received += chunk
    except (ConnectionResetError, BrokenPipeError):
        raise Unanswered("reset within an answer" if received else "reset") from None


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise AssertionError(head)
