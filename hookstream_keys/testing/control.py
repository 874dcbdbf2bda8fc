"""The control API of a sandbox over HTTP."""

import json
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

#: No control operation takes this long, on any machine; seconds.
_TIMEOUT = 30

#: The statuses from here on are errors.
_FIRST_ERROR = 400


class SandboxError(Exception):
    """The sandbox did not start, does not answer, or refuses what a test asks for."""


class Control:
    """Calls the operations of `control.yaml` at a control URL.

    `explain` returns what to tell when the sandbox does not answer.
    """

    def __init__(self, url: str, explain: Callable[[], str]) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port
        self._path = parts.path
        self._explain = explain

    def at(self, url: str) -> "Control":
        """The same sandbox's control API at another URL, a tenant's."""
        return Control(url, self._explain)

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The JSON value of the answer, or None when it has no body.

        `path` begins behind the control URL: `/reset`. Raises SandboxError, for a refusal with
        the message of the control API.
        """
        # A connection for each call: none is left open that a stopped sandbox would break. It goes
        # to the sandbox itself, whatever proxy the environment names.
        connection = HTTPConnection(self._host, self._port, timeout=_TIMEOUT)
        try:
            sent = None if body is None else json.dumps(body)
            headers = {} if body is None else {"Content-Type": "application/json"}
            connection.request(method, self._path + path, sent, headers)
            response = connection.getresponse()
            status, content = response.status, response.read()
        except (OSError, HTTPException) as error:
            raise SandboxError(f"{self._explain()} ({error!r})") from error
        finally:
            connection.close()
        answer: Any = json.loads(content) if content else None
        if status >= _FIRST_ERROR:
            raise SandboxError(_message(answer))
        return answer


def _message(error: Mapping[str, Any]) -> str:
    """An error of the control API as text."""
    details = [f"{each['location']}: {each['message']}" for each in error.get("details", [])]
    return "\n".join([error["error"], *details])
