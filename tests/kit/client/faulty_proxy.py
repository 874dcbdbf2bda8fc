"""A proxy in front of the real server that fails on purpose, as a network and its proxies do."""

import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

import httpx
from support import NO_TLS


@dataclass(frozen=True)
class Status:
    """Answer with this status, and do not forward the request."""

    status: int
    body: bytes = b"<html>the proxy's own page</html>"
    retry_after: str | None = None
    location: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer that a test sets."""
        fields = {"Retry-After": self.retry_after, "Location": self.location}
        return {name: text for name, text in fields.items() if text is not None}


#: `drop`: close the connection instead of forwarding. The others forward the request, so that the
#: server carries it out, and then lose the response, break it off in the middle, or garble it. The
#: next hangs, and the last two send a byte now and then, so that no part of the response is late.
Fault = Literal["drop", "lose", "truncate", "garble", "hang", "slow head", "slow body"] | Status
#: Seconds between two bytes, and how many there are; it hangs for as long as they take.
SLOW_PAUSE, SLOW_BYTES = 0.1, 60


@dataclass(frozen=True)
class Seen:
    """A request that arrived at the proxy."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class FaultyProxy:
    """Forwards each request, or applies the next of its `faults` to it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.faults: deque[Fault] = deque()
        self.seen: list[Seen] = []

    def fail_next(self, *faults: Fault) -> None:
        """Apply these faults to the next requests, one to each, and forget what was seen."""
        self.faults = deque(faults)
        self.seen = []


class _Handler(BaseHTTPRequestHandler):
    """Handles the requests of one connection."""

    protocol_version = "HTTP/1.1"
    server: "_Server"

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        proxy = self.server.proxy
        proxy.seen.append(Seen(self.command, self.path, dict(self.headers), body))
        fault = proxy.faults.popleft() if proxy.faults else None
        if fault == "drop":
            self.close_connection = True
        elif isinstance(fault, Status):
            self._respond(fault.status, fault.headers, fault.body)
        else:
            self._pass_on(self._forward(body), fault)

    # The names that http.server calls.
    do_GET = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815

    def _forward(self, body: bytes) -> httpx.Response:
        headers = {name: value for name, value in self.headers.items() if name != "Host"}
        url = self.server.target + self.path
        return self.server.http.request(self.command, url, headers=headers, content=body)

    def _pass_on(self, answer: httpx.Response, fault: Fault | None) -> None:
        headers = {
            name: value for name, value in answer.headers.items() if name != "content-length"
        }
        match fault:
            case "lose":
                self.close_connection = True
            case "truncate":
                self._respond(answer.status_code, headers, answer.content, answer.content[:-9])
            case "hang":
                time.sleep(SLOW_PAUSE * SLOW_BYTES)
                self.close_connection = True
            case "slow head" | "slow body":
                self._respond_slowly(fault, answer.content)
            case "garble":
                self._respond(answer.status_code, headers, b"{" + answer.content)
            case _:
                self._respond(answer.status_code, headers, answer.content)

    def _respond(
        self, status: int, headers: Mapping[str, str], body: bytes, sent: bytes | None = None
    ) -> None:
        """Send a response; of its body only `sent`, if given, and then close the connection."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != httpx.codes.NO_CONTENT:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if sent is None else sent)
        self.close_connection = self.close_connection or sent is not None

    def _respond_slowly(self, part: Literal["slow head", "slow body"], body: bytes) -> None:
        """Send a response whose header or body takes SLOW_PAUSE * SLOW_BYTES seconds, or more."""
        self.close_connection = True
        whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(body)
        field, end = b"X-Slow: " + b"x" * SLOW_BYTES + b"\r\n", b"\r\n" + body
        at_once, slowly = (whole, field + end) if part == "slow head" else (whole + end[:2], body)
        # The client has closed the connection, which is not this proxy's concern.
        with suppress(OSError):
            self.wfile.write(at_once)
            for place in range(len(slowly)):
                time.sleep(SLOW_PAUSE)
                self.wfile.write(slowly[place : place + 1])

    def log_message(self, *_: object) -> None:
        """Write no log."""


class _Server(ThreadingHTTPServer):
    """The proxy's port."""

    daemon_threads = True

    def __init__(self, target: str, http: httpx.Client) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = target
        self.http = http
        self.proxy = FaultyProxy(f"http://127.0.0.1:{self.server_port}/v1")


@contextmanager
def faulty_proxy(target: str) -> Iterator[FaultyProxy]:
    """Run a proxy in front of the server whose origin is `target`."""
    with (
        httpx.Client(trust_env=False, verify=NO_TLS, timeout=20) as http,
        _Server(target, http) as server,
    ):
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server.proxy
        finally:
            server.shutdown()
