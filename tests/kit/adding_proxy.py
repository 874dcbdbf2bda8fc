"""A reverse proxy that adds a field to every object of each JSON response.

What a client receives through it is what a minor release may answer (docs/compatibility.md).
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

import httpx

#: The field's name and value. Texts only: a key's `metadata` has no other values.
FIELD = "added_by_a_later_release"
VALUE = "new"

#: Headers of one connection, which a proxy does not pass on (RFC 9110, section 7.6.1).
_OF_THE_CONNECTION = {"connection", "content-length", "host", "transfer-encoding"}


class AddingProxy:
    """The proxy's address, and how many objects it has added to."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.added = 0
        self._lock = Lock()

    def extend(self, body: bytes) -> bytes:
        """A JSON body with the field in each of its objects."""
        value = json.loads(body)
        count = _add(value)
        with self._lock:
            self.added += count
        return json.dumps(value).encode()


def _add(value: Any) -> int:
    """Add the field to each object of a JSON value: to how many."""
    if isinstance(value, list):
        return sum(map(_add, value))
    if not isinstance(value, dict):
        return 0
    count = 1 + sum(map(_add, value.values()))
    value[FIELD] = VALUE
    return count


@contextmanager
def adding_proxy(upstream: str) -> Iterator[AddingProxy]:
    """Run a proxy before `upstream`, the base URL of a server, until the block ends."""
    origin, path = httpx.URL(upstream).copy_with(path="/"), httpx.URL(upstream).path
    with httpx.Client(base_url=origin, trust_env=False, timeout=30) as client:

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _forward(self) -> None:
                length = int(self.headers.get("Content-Length", "0"))
                answer = client.request(
                    self.command,
                    self.path,
                    content=self.rfile.read(length) if length else None,
                    headers=[each for each in self.headers.items() if _is_passed_on(each[0])],
                )
                is_json = answer.headers.get("content-type", "").startswith("application/json")
                body = proxy.extend(answer.content) if is_json else answer.content
                self.send_response(answer.status_code)
                for name, value in answer.headers.multi_items():
                    # Its body is decoded.
                    if _is_passed_on(name) and name.lower() != "content-encoding":
                        self.send_header(name, value)
                if answer.status_code != httpx.codes.NO_CONTENT:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PATCH = do_DELETE = _forward  # noqa: N815 - as http.server calls them

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            proxy = AddingProxy(f"http://127.0.0.1:{server.server_port}{path}")
            thread = Thread(target=server.serve_forever)
            thread.start()
            try:
                yield proxy
            finally:
                server.shutdown()
                thread.join()


def _is_passed_on(header: str) -> bool:
    return header.lower() not in _OF_THE_CONNECTION
