"""Failures on purpose: of which operation, how, and how often."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

from hookstream_keys.domain.errors import CHALLENGE, ApiError

When = Literal["before", "after_commit"]

#: The codes of the errors that the API itself may answer, by status.
_CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    413: "content_too_large",
    415: "unsupported_media_type",
    429: "rate_limited",
    500: "internal_error",
    503: "unavailable",
}
#: Those that only a proxy in front of the API answers, with a page of its own.
PROXY_PAGES = {
    502: b"<html><h1>502 Bad Gateway</h1></html>\n",
    504: b"<html><h1>504 Gateway Time-out</h1></html>\n",
}
#: The limit that a 429 names, in requests a minute.
_LIMIT = "60"


class FaultError(ApiError):
    """An error on purpose, of any status."""

    def __init__(self, status: int, retry_after: int | None) -> None:
        if retry_after is None and status in (429, 503):
            retry_after = 1
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            headers |= {
                "RateLimit-Limit": _LIMIT,
                "RateLimit-Remaining": "0",
                "RateLimit-Reset": headers["Retry-After"],
            }
        if status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = f'{CHALLENGE}, error="invalid_token"'
        self.status = status  # type: ignore[misc]  # of the instance: a fault has any status
        self.code = _CODES[status]  # type: ignore[misc]  # likewise
        super().__init__("This error is a fault that a test has added.", headers=headers)


@dataclass(slots=True)
class Fault:
    """How the next `times` requests of an operation fail."""

    operation: str
    times: int
    when: When
    delay_ms: int = 0
    status: int | None = None
    retry_after: int | None = None
    drop: bool = False
    truncate: bool = False
    malformed: bool = False

    @property
    def replaces_answer(self) -> bool:
        """Whether it is more than a delay."""
        return self.drop or self.truncate or self.malformed or self.status is not None

    @property
    def is_before(self) -> bool:
        """Whether the request has no effect. A damaged answer is one that was to be sent."""
        return self.when == "before" and not (self.truncate or self.malformed)

    def view(self) -> dict[str, Any]:
        """The fault as the control API shows it."""
        shown = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in shown.items() if value}


class Faults:
    """The faults that are still to come, in the order in which they were added."""

    def __init__(self) -> None:
        self._pending: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Add one, after those of the same operation."""
        self._pending.append(fault)

    def take(self, operation: str | None) -> Fault | None:
        """The fault of a request of this operation, used up once; None when there is none."""
        for fault in self._pending:
            if fault.operation == operation:
                fault.times -= 1
                if not fault.times:
                    self._pending.remove(fault)
                return fault
        return None

    def clear(self, operation: str | None = None) -> None:
        """Remove those of an operation, or all."""
        self._pending = [
            fault for fault in self._pending if operation not in (None, fault.operation)
        ]

    def view(self) -> dict[str, Any]:
        """The list as the control API shows it."""
        return {"faults": [fault.view() for fault in self._pending]}
