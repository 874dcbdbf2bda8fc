"""What clients have sent to the API, without secrets."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from hookstream_keys.domain.errors import Detail
from hookstream_keys.sandbox.redaction import (
    redacted_body,
    redacted_headers,
    redacted_query,
    redacted_text,
)

#: How many requests are kept: the last.
MAX_REQUESTS = 1_000
#: How many bytes their bodies have at most, together.
MAX_BYTES = 16_777_216


@dataclass(slots=True)
class RecordedRequest:
    """One request, and what became of it."""

    number: int
    at: str
    method: str
    path: str
    query: str
    operation: str | None
    headers: dict[str, str]
    body: bytes = b""
    problems: list[Detail] = field(default_factory=list)
    status: int | None = None
    fault: bool = False

    def view(self) -> dict[str, Any]:
        """The request as the control API shows it."""
        return {
            "number": self.number,
            "at": self.at,
            "method": self.method,
            "path": redacted_text(self.path),
            "query": redacted_query(self.query, self.operation),
            "operation": self.operation,
            "headers": redacted_headers(self.headers),
            "body": redacted_body(self.body, self.operation),
            "valid": not self.problems,
            "problems": [
                {
                    "location": redacted_text(each.location),
                    "message": redacted_text(each.message),
                }
                for each in self.problems
            ],
            "status": self.status,
            "fault": self.fault,
        }


class Recorder:
    """The last requests, oldest first."""

    def __init__(self) -> None:
        self._requests: deque[RecordedRequest] = deque()
        self._count = 0
        self._bytes = 0

    def begin(self, **request: Any) -> RecordedRequest:
        """Record a request that has arrived, by the fields of `RecordedRequest`."""
        self._count += 1
        recorded = RecordedRequest(self._count, **request)
        self._requests.append(recorded)
        self._bytes += len(recorded.body)
        while len(self._requests) > MAX_REQUESTS or self._bytes > MAX_BYTES:
            self._bytes -= len(self._requests.popleft().body)
        return recorded

    def clear(self) -> None:
        """Forget all requests, and count from 1 again."""
        self.forget()
        self._count = 0

    def forget(self) -> None:
        """Forget all requests."""
        self._requests.clear()
        self._bytes = 0

    def view(self, operation: str | None) -> dict[str, Any]:
        """The list as the control API shows it, of one operation or of all."""
        return {
            "requests": [
                each.view() for each in self._requests if operation in (None, each.operation)
            ]
        }
