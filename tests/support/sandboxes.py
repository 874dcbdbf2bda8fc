"""A sandbox under test: the process, its worlds, and what a test asks of them."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from support import COMMAND, NO_TLS, without_settings

#: When a sandbox begins, unless it is told otherwise.
START = "2026-01-01T00:00:00.000Z"


@dataclass(frozen=True)
class World:
    """A sandbox's own world, or a tenant's."""

    facts: dict[str, Any]
    client: httpx.Client

    @property
    def key(self) -> dict[str, str]:
        """The header with the world's own key."""
        return {"X-API-Key": self.facts["key"]}

    @property
    def owner(self) -> dict[str, str]:
        """The header with the owner's session, which every environment accepts."""
        return {"Authorization": f"Bearer {self.facts['session_token']}"}

    def call(
        self, method: str, path: str, json: Any = None, headers: Any = None, **more: Any
    ) -> httpx.Response:
        """Send a request to the API, with the world's own key unless headers are given."""
        sent = self.key if headers is None else headers
        return self.client.request(
            method, self.facts["base_url"] + path, json=json, headers=sent, **more
        )

    def control(self, method: str, path: str, json: Any = None, **more: Any) -> httpx.Response:
        """Send a request to the control API."""
        return self.client.request(method, self.facts["control_url"] + path, json=json, **more)

    def do(self, method: str, path: str, json: Any = None) -> Any:
        """The body of the control API's answer. Raises AssertionError unless it succeeds."""
        answer = self.control(method, path, json)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def reset(self) -> None:
        assert self.do("POST", "/reset") == self.facts

    def state(self, state: str, **params: Any) -> dict[str, Any]:
        """The values of a provider state."""
        values: dict[str, Any] = self.do("POST", "/states", {"state": state, "params": params})
        return values

    def advance(self, seconds: float) -> str:
        """The time, so many seconds later."""
        now: str = self.do("POST", "/clock", {"advance_seconds": seconds})["now"]
        return now

    def set_clock(self, moment: str) -> None:
        self.do("POST", "/clock", {"set": moment})

    def fail(self, operation: str, **how: Any) -> None:
        """Add a fault."""
        self.do("POST", "/faults", {"operation": operation, **how})

    def requests(self, operation: str | None = None) -> list[dict[str, Any]]:
        """What was recorded."""
        query = f"?operation={operation}" if operation else ""
        found: list[dict[str, Any]] = self.do("GET", f"/requests{query}")["requests"]
        return found

    def tenant(self, name: str, **more: Any) -> "World":
        return World(self.do("POST", "/tenants", {"name": name, **more}), self.client)

    def create(self, **fields: Any) -> dict[str, Any]:
        """A new key."""
        answer = self.call("POST", "/auth/api-keys", self.body(**fields))
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def body(self, **fields: Any) -> dict[str, Any]:
        """The body that creates a key."""
        place = {name: self.facts[name] for name in ("org_id", "env_id")}
        return {"name": "Key", **place, **fields}

    def verify(self, key: str, **more: Any) -> dict[str, Any]:
        """The outcome of a verification."""
        answer = self.call("POST", "/auth/api-keys/verify", {"key": key, **more})
        assert answer.status_code == 200, answer.text
        outcome: dict[str, Any] = answer.json()
        return outcome

    def code(self, key: str, **more: Any) -> str:
        """The code of a verification."""
        code: str = self.verify(key, **more)["code"]
        return code


@dataclass(frozen=True)
class Sandbox(World):
    """A running sandbox, and its own world."""

    process: subprocess.Popen[str]


@contextmanager
def sandbox(*options: str, **settings: str) -> Iterator[Sandbox]:
    """Run `hookstream-keys sandbox` until the block ends."""
    with (
        started(*options, **settings) as process,
        httpx.Client(timeout=30, trust_env=False, verify=NO_TLS) as client,
    ):
        yield Sandbox(facts_of(process), client, process)


@contextmanager
def started(*options: str, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """The process of a sandbox, perhaps before it accepts connections."""
    with subprocess.Popen(
        [COMMAND, "sandbox", "--json", *options],
        stdout=subprocess.PIPE,
        text=True,
        env=without_settings() | settings,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def facts_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The line that a sandbox prints once it accepts connections."""
    assert process.stdout is not None
    facts: dict[str, Any] = json.loads(process.stdout.readline())
    return facts
