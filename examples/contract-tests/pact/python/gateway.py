"""The consumer: a gateway that lets requests pass whose key is valid, with the standard library."""

import json
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

UNAUTHORIZED, FORBIDDEN, TOO_MANY_REQUESTS, UNAVAILABLE = 401, 403, 429, 503

#: How often the gateway checks its own credential.
CHECK_SECONDS = 60


@dataclass(frozen=True)
class Decision:
    """What the gateway answers: None lets the request pass."""

    status: int | None
    key_id: str | None = None
    retry_after: int | None = None


class Gateway:
    """Asks the key service at `base_url`, as the owner of `credential`, about keys."""

    def __init__(self, base_url: str, credential: str) -> None:
        self._url = urlsplit(base_url)
        self._credential = credential

    def decide(self, key: str, scope: str) -> Decision:
        """Whether a request with this key may do what needs a scope."""
        question = {"key": key, "scopes": scope}
        status, headers, answer = self._send("POST", "/auth/api-keys/verify", question)
        if status == UNAVAILABLE:
            # It fails closed: without an answer no request passes.
            return Decision(UNAVAILABLE, retry_after=int(headers["retry-after"]))
        match answer.get("code"):
            case "VALID":
                return Decision(None, answer["api_key"]["id"])
            case "INSUFFICIENT_SCOPE" | "IP_NOT_ALLOWED":
                return Decision(FORBIDDEN)
            case "RATE_LIMITED":
                return Decision(
                    TOO_MANY_REQUESTS, retry_after=int(answer["rate_limit"]["retry_after_seconds"])
                )
            case _:
                return Decision(UNAUTHORIZED)

    def check(self) -> int:
        """In how many seconds to check again whether the gateway's credential is accepted.

        Raises PermissionError when it is not.
        """
        status, headers, _ = self._send("GET", "/auth/whoami")
        if status in (TOO_MANY_REQUESTS, UNAVAILABLE):
            return int(headers["retry-after"])
        if status == UNAUTHORIZED:
            raise PermissionError("the gateway's credential is not accepted")
        return CHECK_SECONDS

    def _send(
        self, method: str, path: str, body: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], dict[str, Any]]:
        sent = None if body is None else json.dumps(body)
        headers = {"X-API-Key": self._credential}
        if sent is not None:
            headers["Content-Type"] = "application/json"
        connection = HTTPConnection(self._url.hostname or "", self._url.port, timeout=10)
        try:
            connection.request(method, self._url.path + path, sent, headers)
            response = connection.getresponse()
            received = {name.lower(): text for name, text in response.getheaders()}
            return response.status, received, json.loads(response.read())
        finally:
            connection.close()
