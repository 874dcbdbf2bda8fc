"""A sandbox of this module's own, and its control API."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import support
from support import NO_TLS


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox: what it printed, and its control API."""

    facts: dict[str, Any]
    http: httpx.Client

    @property
    def url(self) -> str:
        """The base URL of the API."""
        return str(self.facts["base_url"])

    @property
    def key(self) -> str:
        """A key that may do everything."""
        return str(self.facts["key"])

    def key_of(self, name: str) -> str:
        """One of the seeded keys, such as `revoked`."""
        return str(self.facts["keys"][name]["key"])

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Call the control API. Raises httpx.HTTPStatusError."""
        url = f"{self.facts['control_url']}/{path}"
        answer = self.http.request(method, url, json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def fail_next(self, operation: str, **fault: Any) -> None:
        """Make the next request of an operation fail, and forget what was received."""
        self.control("DELETE", "requests")
        self.control("POST", "faults", {"operation": operation, **fault})

    def received(self, operation: str) -> list[dict[str, Any]]:
        """The requests of an operation since then."""
        found = self.control("GET", "requests")["requests"]
        return [each for each in found if each["operation"] == operation]


@contextmanager
def sandbox() -> Iterator[Sandbox]:
    """Run a sandbox until the block ends."""
    process = subprocess.Popen(
        [support.COMMAND, "sandbox", "--json"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        facts = json.loads(process.stdout.readline())
        with httpx.Client(trust_env=False, verify=NO_TLS, timeout=20) as http:
            yield Sandbox(facts, http)
    finally:
        process.terminate()
        process.wait(timeout=60)
        process.stdout.close()
