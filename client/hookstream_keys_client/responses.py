"""From a response to a value or an error; no input or output here.

Responses are read openly: members that this version does not know are kept, a code that it does not
know stays a string (a minor release of the server may add both).
"""

import email.utils
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from hookstream_keys_client.errors import ApiError, Detail, InvalidResponse, error_class

#: A day: the API names no longer time, and infinity is no time to wait.
MAX_RETRY_AFTER = 86_400.0


class Secret(str):
    """The secret of a new key: a string whose `repr` shows only its first 12 characters.

    So a response that is printed or logged as a whole does not show it. `str(secret)`, formatting
    and JSON have it in full.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Secret('{self[:12]}…')"


@dataclass(frozen=True)
class Response:
    """A whole response. `headers` are found by their names in any case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @classmethod
    def of(cls, response: httpx.Response) -> "Response":
        """What is needed of an httpx response, whose body was read."""
        return cls(response.status_code, response.headers, response.content)

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return httpx.codes.is_success(self.status)

    def json(self) -> Any:
        """The body as JSON, None if it is empty. Raises InvalidResponse."""
        if not self.body:
            return None
        failure = InvalidResponse(f"{self.status}: the body is not JSON", status=self.status)
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):  # RecursionError: 100,000 times `[`
            pass
        # Outside of `except`, so that the exception does not refer to the text of the body.
        raise failure


Parse = Callable[[Response], Any]


def member(name: str) -> Parse:
    """Read the member of an envelope, such as `api_key`."""

    def parse(response: Response) -> Any:
        body = json_object(response)
        if name not in body:
            raise InvalidResponse(
                f"{response.status}: the body has no {name!r}", status=response.status
            )
        return body[name]

    return parse


def json_object(response: Response) -> dict[str, Any]:
    """The body as a JSON object. Raises InvalidResponse."""
    body = response.json()
    if not isinstance(body, dict):
        raise InvalidResponse(
            f"{response.status}: the body is not a JSON object", status=response.status
        )
    return body


def object_with_secret(response: Response) -> dict[str, Any]:
    """The body of a response that shows a new key. Raises InvalidResponse."""
    body = json_object(response)
    key = member("key")(response)
    if not isinstance(key, str):
        raise InvalidResponse(f"{response.status}: 'key' is no text", status=response.status)
    return body | {"key": Secret(key)}


def nothing(_: Response) -> None:
    """The value of a response without a body."""


def error_of(response: Response) -> ApiError | InvalidResponse:
    """The exception for a response that is no success."""
    if response.status < httpx.codes.BAD_REQUEST:
        return InvalidResponse(
            f"unexpected status {response.status}; is base_url the API's, ending in /v1?",
            status=response.status,
        )
    try:
        body = json_object(response)
    except InvalidResponse:
        body = {}
    match body:
        case {"error": str(message), "code": str(code)}:
            details = _details(body.get("details"))
        case _:
            message, code, details = "not in the API's error format; is a proxy in between?", "", ()
    return error_class(response.status, code)(
        message,
        status=response.status,
        code=code,
        request_id=response.headers.get("x-request-id"),
        details=details,
        retry_after=retry_after(response.headers.get("retry-after"), datetime.now(UTC)),
        headers={
            name: response.headers[name]
            for name in ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
            if name in response.headers
        },
    )


def _details(value: Any) -> tuple[Detail, ...]:
    found = []
    for each in value if isinstance(value, list) else []:
        match each:
            case {"location": str(location), "message": str(message)}:
                found.append(Detail(location, message))
    return tuple(found)


def retry_after(value: str | None, now: datetime) -> float | None:
    """The seconds that a `Retry-After` names, as a number or a date (RFC 9110, section 10.2.3).

    At most MAX_RETRY_AFTER. None for a missing or invalid one.
    """
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return min(float(value), MAX_RETRY_AFTER)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except (ValueError, OverflowError, IndexError):
        # It raises all three for texts that are no dates, or dates that cannot exist.
        return None
    if moment.tzinfo is None:  # "-0000": a time in UTC
        moment = moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - now).total_seconds()), MAX_RETRY_AFTER)
