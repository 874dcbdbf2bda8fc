"""Kills under load: what was acknowledged is there, and what was revoked is never valid again.

Clients write through both nodes and repeat what is not answered, with its idempotency key, as
clients should. NODES_WRITES and NODES_READS say how much; tox's `cluster` takes more.
"""

import itertools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from support import NO_TLS, ON_POSTGRESQL, Database, Server, Tenant, serving

pytestmark = pytest.mark.skipif(not ON_POSTGRESQL, reason="a file has one server")

#: How many writes are acknowledged, and how many secrets are verified, at least.
WRITES = int(os.environ.get("NODES_WRITES") or 400)
READS = int(os.environ.get("NODES_READS") or 5_000)
#: How many clients write at once.
CLIENTS = 16
#: For how long a client repeats a request: a failover takes up to about half a minute.
PATIENCE_SECONDS = 90.0
#: How many secrets one request verifies.
BATCH = 100

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


def test_the_primary_is_killed_and_its_standby_promoted(tmp_path: Path) -> None:
    from support.postgresql import (  # noqa: PLC0415 - needs the driver
        running_cluster,
        running_standby,
        stand_for,
    )

    with ExitStack() as stack:
        primary = stack.enter_context(running_cluster())
        standby = stack.enter_context(running_standby(primary))
        database = Database(tmp_path / "keys.db")
        name = urlsplit(primary.new_database()).path.lstrip("/")
        stand_for(database.path, f"{primary.url(name)},{standby.folder}")
        tenant = database.run_init()
        nodes = [
            stack.enter_context(serving(database, HOOKSTREAM_SINGLE_DATABASE="off", **LIMITS))
            for _ in range(2)
        ]
        load = Load((nodes[0], nodes[1]), tenant)
        with writing(load):
            primary.kill()
            standby.promote()
        load.assert_all_is_there(lambda sql: standby.execute(standby.url(name), sql))
    _tell(load)


def test_a_node_is_killed(tmp_path: Path) -> None:
    database = Database(tmp_path / "keys.db")
    tenant = database.init()
    with serving(database, **LIMITS) as left, serving(database, stop=False, **LIMITS) as killed:
        load = Load((left, killed), tenant)
        with writing(load):
            killed.process.send_signal(signal.SIGKILL)
            killed.process.wait(10)
        load.assert_all_is_there(database.execute)
    _tell(load)


def test_what_one_node_has_revoked_the_other_never_calls_valid(tmp_path: Path) -> None:
    database = Database(tmp_path / "keys.db")
    tenant = database.init()
    body = {"org_id": tenant.org_id, "env_id": tenant.env_id, "name": "k"}
    headers = {"X-API-Key": tenant.key}
    codes: dict[str, int] = {}
    with (
        serving(database, **LIMITS) as one,
        serving(database, **LIMITS) as two,
        httpx.Client(timeout=20, trust_env=False, verify=NO_TLS, headers=headers) as http,
    ):
        revoked: list[dict[str, str]] = []
        for turn in itertools.count():
            if sum(codes.values()) >= READS:
                break
            writer, reader = (one, two) if turn % 2 else (two, one)
            made = http.post(f"{writer.url}/auth/api-keys", json=body).json()
            first = http.post(f"{reader.url}/auth/api-keys/verify", json={"key": made["key"]})
            assert first.json()["code"] == "VALID"
            answer = http.delete(f"{writer.url}/auth/api-keys/{made['id']}")
            assert answer.status_code == 204
            revoked.append({"key": made["key"]})
            # The new one again and again, and those before it.
            asked = {"requests": (revoked[-50:] + revoked[-1:] * BATCH)[:BATCH]}
            answer = http.post(f"{reader.url}/auth/api-keys/verify-batch", json=asked)
            for each in answer.json()["results"]:
                codes[each["code"]] = codes.get(each["code"], 0) + 1
    assert set(codes) == {"REVOKED"}
    print(f"{codes['REVOKED']} reads after {len(revoked)} revocations")


def _tell(load: Load) -> None:
    print(
        f"{load.acknowledged} writes acknowledged, {len(load.revoked)} of them revocations; "
        f"{load.repeated} repeated"
    )
