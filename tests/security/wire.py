"""Raw requests on a socket, and their responses."""

import json
import re
from dataclasses import dataclass
from typing import Any

from support import Server

HOST = b"Host: t\r\n"
#: What shows whether a connection goes on: it is answered, or it is not.
LAST = b"GET /v1/health HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"

_START = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n")


@dataclass(frozen=True)
class Answer:
    """One response, as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    def assert_error(self) -> dict[str, Any]:
        """The one error shape."""
        assert self.headers["content-type"] == "application/json", self
        body: dict[str, Any] = json.loads(self.body)
        assert body["status"] == self.status
        assert body["request_id"] == self.headers["x-request-id"]
        assert re.fullmatch(r"req_[0-9a-f]{32}", body["request_id"])
        return body


def answers(data: bytes) -> list[Answer]:
    """The responses in what came, by their own framing. Raises AssertionError for anything else."""
    found: list[Answer] = []
    while data:
        start = _START.match(data)
        assert start, data[:200]
        head, _, data = data[start.end() - 2 :].partition(b"\r\n\r\n")
        headers = {
            name.decode().lower(): value.decode()
            for name, _, value in (line.partition(b": ") for line in head.split(b"\r\n") if line)
        }
        status = int(start[1])
        length = int(headers.get("content-length", 0))
        assert "transfer-encoding" not in headers
        assert len(data) >= length
        found.append(Answer(status, headers, data[:length]))
        data = data[length:]
    return found


def ask(server: Server, data: bytes) -> list[Answer]:
    """Send it all at once, and read until the server closes."""
    return answers(server.raw(data))


def statuses(found: list[Answer]) -> list[int]:
    """The statuses; every one of an error is checked for its shape."""
    for each in found:
        if each.status >= 400:
            each.assert_error()
    return [each.status for each in found]
