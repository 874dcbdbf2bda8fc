"""Ten times more is asked than the server can do; FAULTS_SECONDS says for how long."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from faults.shortage.client import Client, eventually
from faults.shortage.faults import build
from faults.shortage.flood import Outcome, Request, flood
from support import Database, serving

#: How long it goes on: a short form without the variable.
SECONDS = float(os.environ.get("FAULTS_SECONDS", "2"))
#: More than the writer lets wait, so that some have to be turned away.
CONNECTIONS = 3_000
#: The slowest answer: ten seconds is what the writer promises, on a machine that is not busy.
LONGEST_MS = 20_000
#: How much memory a worker may take on for 3,000 connections with a request each, in MB.
MOST_MORE = 150
#: How soon after the flood everything is as before, in seconds.
RECOVERY = 5


@pytest.fixture(scope="module")
def program(cc: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = Path(__file__).with_name("flood.c")
    return build(cc, source, tmp_path_factory.mktemp("flood") / "flood")


@contextmanager
def watching_health(client: Client) -> Iterator[list[float]]:
    """How long each answer of the health operation takes, one after another."""
    took: list[float] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.2):
            begun = time.monotonic()
            assert client.is_alive()
            took.append(time.monotonic() - begun)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield took
    finally:
        stop.set()
        thread.join()


def resident_mb(client: Client) -> float:
    for line in Path(f"/proc/{client.server.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")


def overrun(program: Path, client: Client, request: Request) -> Outcome:
    """Flood the server at ten times what it can do; all that holds whatever it is asked."""
    quiet = flood(program, client.server, request, connections=32, seconds=0.5, rate=1e6)
    capacity = quiet.statuses[201 if "name" in request.body else 200] / 0.5
    before = resident_mb(client)
    with watching_health(client) as health:
        found = flood(
            program,
            client.server,
            request,
            connections=CONNECTIONS,
            seconds=SECONDS,
            rate=10 * capacity,
        )
    ended = time.monotonic()
    more = resident_mb(client) - before
    eventually(client.is_ready, "ready after the flood", within=RECOVERY)
    assert client.create().status_code == 201
    recovered = time.monotonic() - ended
    print(
        f"{request.path}: {capacity:.0f}/s, flooded with {found.sent + found.unsent}"
        f" in {SECONDS:g} s: "
        f"{found}; {more:.0f} MB more, recovered in {recovered:.2f} s, "
        f"health answered {len(health)} times, in {max(health):.2f} s at most"
    )
    assert recovered < RECOVERY
    assert found.sent + found.unsent >= 9 * capacity * SECONDS
    assert (found.unanswered, found.broken) == (0, 0), found
    assert found.longest_ms < LONGEST_MS
    assert more < MOST_MORE
    assert health
    assert max(health) < LONGEST_MS / 1000
    return found


def test_creating_ten_times_as_fast_as_it_can_be(program: Path, database: Database) -> None:
    tenant = database.init()
    with serving(database, HOOKSTREAM_RATE_LIMIT="off", HOOKSTREAM_LOG_LEVEL="warning") as server:
        client = Client(server, tenant)
        body = {"name": "n", "org_id": tenant.org_id, "env_id": tenant.env_id}
        before = database.count("api_key")
        found = overrun(program, client, Request("POST", "/auth/api-keys", tenant.key, body))
        assert found.statuses.keys() <= {201, 503}, found
        assert found.statuses[201] > 0
        # Those of the quiet beginning, and the one at the end, come on top.
        assert database.count("api_key") >= before + found.statuses[201] + 1
        client.assert_whole()


def test_verifying_ten_times_as_fast_as_it_can_be(program: Path, database: Database) -> None:
    tenant = database.init()
    with serving(database, HOOKSTREAM_LOG_LEVEL="warning") as server:
        request = Request("POST", "/auth/api-keys/verify", tenant.key, {"key": tenant.key})
        found = overrun(program, Client(server, tenant), request)
        # Nothing of it writes, so nobody has to be turned away: they only wait.
        assert found.statuses.keys() == {200}, found
