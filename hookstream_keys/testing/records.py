"""What a sandbox returns, as typed records. Every secret is worthless outside the sandbox."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Key:
    """An API key."""

    id: str
    #: The secret, as clients send it.
    key: str
    org_id: str
    env_id: str


@dataclass(frozen=True, slots=True)
class RotatedKey(Key):
    """An API key with two secrets: `key` is the old one."""

    new_key: str
    rotation_id: str


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment of the sandbox's organization."""

    id: str
    org_id: str
    slug: str


@dataclass(frozen=True, slots=True)
class PendingFault:
    """A fault that is still to come."""

    operation: str
    #: How many requests are still to fail.
    times: int
    #: `before` or `after_commit`: whether the request has no effect, or only its answer is lost.
    when: str
    #: How they fail, such as `{"status": 503, "retry_after": 2}`; `Fault` of `control.yaml`.
    how: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request that the client has sent. Secrets are redacted."""

    #: Counts from 1, since the last reset.
    number: int
    method: str
    path: str
    query: str
    #: The `operationId`; None where the document has no such path or method.
    operation: str | None
    #: By names in lower case.
    headers: dict[str, str]
    #: The JSON value of the body, or its text if it is not valid JSON.
    body: Any
    #: Whether the document allows the request.
    valid: bool
    #: Where it differs from the document: `location` and `message` of each difference.
    problems: list[dict[str, str]]
    #: The status of the answer; None if the connection was dropped.
    status: int | None
    #: Whether a fault had an effect on it.
    fault: bool
