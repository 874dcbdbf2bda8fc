"""The attempts of one operation, and what follows from each; no input or output here."""

from dataclasses import dataclass
from typing import Generic, TypeVar

import httpx

from hookstream_keys_client.errors import ConnectionFailed, HookstreamError, InvalidResponse
from hookstream_keys_client.operations import Operation
from hookstream_keys_client.responses import Response, error_of
from hookstream_keys_client.retries import Retries

ValueT = TypeVar("ValueT")


@dataclass(frozen=True)
class Result(Generic[ValueT]):
    """The operation is done."""

    value: ValueT


@dataclass(frozen=True)
class Wait:
    """Send the operation again after so many seconds."""

    seconds: float


class Attempts(Generic[ValueT]):
    """Counts the attempts of an operation, and decides after each what is next."""

    def __init__(self, operation: Operation[ValueT], retries: Retries) -> None:
        self._operation = operation
        self._retries = retries
        self._made = 0

    def next_step(
        self, outcome: Response | ConnectionFailed, seconds_left: float | None = None
    ) -> Result[ValueT] | Wait:
        """What follows from the outcome of an attempt.

        Raises its error when no attempt is left, or no time for it in `seconds_left`.
        """
        read = self._read(outcome)
        if isinstance(read, Result):
            return read
        delay = self._retries.delay(self._made, read, repeatable=self._operation.repeatable)
        self._made += 1
        if delay is None or (seconds_left is not None and delay >= seconds_left):
            raise read
        return Wait(delay)

    def _read(self, outcome: Response | ConnectionFailed) -> Result[ValueT] | HookstreamError:
        if isinstance(outcome, ConnectionFailed):
            return outcome
        if not outcome.is_success:
            return error_of(outcome)
        try:
            return Result(self._operation.read(outcome))
        except InvalidResponse as error:
            return error


def http_request(base_url: str, api_key: str | None, operation: Operation[ValueT]) -> httpx.Request:
    """The operation as httpx sends it, without the client's timeout."""
    headers = {"Accept": "application/json", **operation.headers}
    if api_key is not None:
        # httpx masks this header, and no other, where it shows headers.
        headers["Authorization"] = f"Bearer {api_key}"
    if operation.content is not None:
        headers["Content-Type"] = "application/json"
    return httpx.Request(
        operation.method, base_url + operation.target, headers=headers, content=operation.content
    )
