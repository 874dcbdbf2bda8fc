"""The client under test: what an application needs of hookstream-keys, with httpx."""

import uuid
from types import TracebackType
from typing import Any, Self

import httpx

#: How often a request is sent whose answer is 503, or is lost.
ATTEMPTS = 3

#: Shared by all clients: to read the certificates that the machine trusts takes longer than a
#: request.
_TLS = httpx.create_ssl_context()


class RateLimited(Exception):
    """The organization's limit is used up."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"try again in {retry_after} seconds")
        self.retry_after = retry_after


class KeyService:
    """Creates and verifies API keys. Raises RateLimited, and httpx's errors for all else."""

    def __init__(self, base_url: str, api_key: str) -> None:
        self._http = httpx.Client(base_url=base_url, headers={"X-API-Key": api_key}, verify=_TLS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._http.close()

    def verify(self, key: str, *scopes: str) -> str:
        """The code of a key: `VALID`, or why it is refused."""
        body = {"key": key, **({"scopes": " ".join(scopes)} if scopes else {})}
        code: str = self._send("POST", "/auth/api-keys/verify", body)["code"]
        return code

    def create(self, name: str, org_id: str, env_id: str) -> dict[str, Any]:
        """A new key. However often it is sent, one key is made."""
        body = {"name": name, "org_id": org_id, "env_id": env_id}
        return self._send("POST", "/auth/api-keys", body, {"Idempotency-Key": str(uuid.uuid4())})

    def _send(
        self, method: str, path: str, body: Any, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        for left in reversed(range(ATTEMPTS)):
            try:
                response = self._http.request(method, path, json=body, headers=headers)
            except httpx.RemoteProtocolError:
                if not left:
                    raise
                continue
            if response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise RateLimited(int(response.headers["Retry-After"]))
        answer: dict[str, Any] = response.raise_for_status().json()
        return answer
