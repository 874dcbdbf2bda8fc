"""Clients that write through two nodes, and compare what was acknowledged with the database.

They repeat what is not answered, with its idempotency key, as clients should. NODES_WRITES says how
much they write; tox's `cluster` takes more.
"""

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from support import NO_TLS, Database, Server, Tenant, serving

#: How many writes are acknowledged at least.
WRITES = int(os.environ.get("NODES_WRITES") or 400)
#: How many clients write at once.
CLIENTS = 16
#: For how long a client repeats a request: a failover takes up to about half a minute.
PATIENCE_SECONDS = 120.0

LIMITS: dict[str, Any] = {
    "HOOKSTREAM_RATE_LIMIT": "off",
    "HOOKSTREAM_VERIFICATION_RATE_LIMIT": "off",
    "HOOKSTREAM_MAX_KEYS_PER_ENVIRONMENT": "off",
}


@dataclass
class Load:
    """Clients of two nodes, and what these have acknowledged."""

    nodes: tuple[Server, Server]
    tenant: Tenant
    created: list[str] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)
    #: How many requests were repeated.
    repeated: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def acknowledged(self) -> int:
        return len(self.created) + len(self.revoked)

    def write(self, client: int) -> None:
        """Create keys, and revoke every second one, until the load has ended."""
        numbers = itertools.count()
        body = {"org_id": self.tenant.org_id, "env_id": self.tenant.env_id, "name": "k"}
        with httpx.Client(timeout=20, trust_env=False, verify=NO_TLS) as http:
            while not self.ended.is_set():
                number = next(numbers)
                headers = {"Idempotency-Key": f"client-{client:04}-number-{number:08}"}
                made = self._until(http, client, 201, "POST", "/auth/api-keys", headers, json=body)
                key_id = made.json()["id"]
                self.created.append(key_id)
                if number % 2:
                    # Revoked by a request that was not answered, it is 204 as well.
                    self._until(http, client, 204, "DELETE", f"/auth/api-keys/{key_id}", {})
                    self.revoked.append(key_id)

    def _until(
        self,
        http: httpx.Client,
        client: int,
        status: int,
        method: str,
        path: str,
        headers: dict[str, str],
        **more: Any,
    ) -> httpx.Response:
        """The response with this status, of either node."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        for node in itertools.count(client):
            with_key = headers | {"X-API-Key": self.tenant.key}
            try:
                answer = http.request(
                    method, self.nodes[node % 2].url + path, headers=with_key, **more
                )
            except httpx.HTTPError:
                answer = None
            if answer is not None and answer.status_code == status:
                return answer
            assert answer is None or answer.status_code in (503, 409), self._told(answer)
            assert time.monotonic() < deadline, "it was not answered any more"
            self.repeated += 1
            time.sleep(0.05)
        raise AssertionError

    def _told(self, answer: httpx.Response) -> str:
        """What the logs have of a response that there may not be."""
        logs = {node.log.read_text(encoding="utf-8") for node in self.nodes}
        errors = [log.partition("Traceback")[2][:8000] for log in logs]
        return "\n".join([answer.text, *errors])

    def assert_all_is_there(self, ask: Callable[[str], list[tuple[Any, ...]]]) -> None:
        """Compare what was acknowledged with the database."""
        rows = dict(ask("select id, revoked_at is not null from api_key where name = 'k'"))
        assert set(self.created) - set(rows) == set()
        # An unanswered create that was repeated has made one key.
        assert len(rows) == len(self.created)
        assert [key_id for key_id in self.revoked if not rows[key_id]] == []

    def tell(self) -> None:
        """Print what there was, for docs/reliability.md."""
        print(
            f"{self.acknowledged} writes acknowledged, {len(self.revoked)} of them revocations; "
            f"{self.repeated} repeated"
        )


@contextmanager
def two_nodes(database: Database, tenant: Tenant) -> Iterator[Load]:
    """A load for two nodes, which demand a synchronous standby, while the block runs."""
    settings = {"HOOKSTREAM_SINGLE_DATABASE": "off", **LIMITS}
    with serving(database, **settings) as one, serving(database, **settings) as other:
        yield Load((one, other), tenant)


@contextmanager
def writing(load: Load) -> Iterator[None]:
    """Write while the block runs, until enough is acknowledged after it."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        writers = [pool.submit(load.write, client) for client in range(CLIENTS)]
        try:
            _wait(load, writers, WRITES // 2)
            yield
            _wait(load, writers, max(WRITES, load.acknowledged + WRITES // 4))
        finally:
            load.ended.set()
        for each in writers:
            each.result()


def _wait(load: Load, writers: list[Any], acknowledged: int) -> None:
    while load.acknowledged < acknowledged:
        for each in writers:
            if each.done():
                each.result()
        time.sleep(0.02)
