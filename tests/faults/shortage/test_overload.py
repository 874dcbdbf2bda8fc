"""Ten times the server's capacity is requested, for FAULTS_SECONDS seconds."""

import math
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from faults.shortage.client import Client, eventually
from faults.shortage.flood import Outcome, Request, flood
from support import Database, programs, serving

#: How long it goes on: a short form without the variable.
SECONDS = float(os.environ.get("FAULTS_SECONDS", "0.5"))
#: More than the writer lets wait, so that some have to be rejected.
CONNECTIONS = 2_500
#: Requests a second: more than ten times what a worker answers on any machine.
RATE = 100_000
#: The slowest answer comes before as many others as there are connections have had so many each,
#: and what the writer waits at most: how long that is, is the machine's affair.
ROUNDS = 6
WRITER_SECONDS = 10
#: How much memory a worker may take on for so many connections with a request each, in MB.
MOST_MORE = 150
#: How soon after the flood everything is as before, in seconds.
RECOVERY = 5


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = Path(__file__).with_name("flood.c")
    return programs.compiled(source, tmp_path_factory.mktemp("flood"))


@contextmanager
def watching_health(client: Client) -> Iterator[list[float]]:
    """How long each answer of the health operation takes, one after another."""
    took: list[float] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.1):
            begun = time.monotonic()
            alive = client.is_alive()
            took.append(time.monotonic() - begun if alive else math.inf)

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
    before, begun = resident_mb(client), time.monotonic()
    with watching_health(client) as health:
        found = flood(
            program, client.server, request, connections=CONNECTIONS, seconds=SECONDS, rate=RATE
        )
        ended = time.monotonic()
    more = resident_mb(client) - before
    eventually(client.is_ready, "ready after the flood", within=RECOVERY)
    assert client.create().status_code == 201
    recovered = time.monotonic() - ended
    answered = sum(found.statuses.values()) / (ended - begun)
    print(
        f"{request.path}: {(found.sent + found.unsent) / SECONDS:.0f} asked for a second, "
        f"{answered:.0f} answered, for {SECONDS:g} s: {found}; {more:.0f} MB more, recovered in "
        f"{recovered:.2f} s, health answered {len(health)} times, in {max(health):.2f} s at most"
    )
    assert (found.sent + found.unsent) / SECONDS >= 10 * answered, "it was no overload"
    assert (found.unanswered, found.broken) == (0, 0), found
    longest = ROUNDS * CONNECTIONS / answered + WRITER_SECONDS
    assert found.longest_ms / 1000 < longest
    assert max(health) < longest
    assert more < MOST_MORE
    assert recovered < RECOVERY
    return found


def test_creation_at_ten_times_the_capacity(program: Path, database: Database) -> None:
    tenant = database.init()
    with (
        serving(database, HOOKSTREAM_RATE_LIMIT="off", HOOKSTREAM_LOG_LEVEL="warning") as server,
        Client(server, tenant) as client,
    ):
        body = {"name": "n", "org_id": tenant.org_id, "env_id": tenant.env_id}
        before = database.count("api_key")
        found = overrun(program, client, Request("POST", "/auth/api-keys", tenant.key, body))
        assert found.statuses.keys() <= {201, 503}, found
        assert found.statuses[201] > 0
        # And the one at the end.
        assert database.count("api_key") == before + found.statuses[201] + 1
        client.assert_whole()


def test_verification_at_ten_times_the_capacity(program: Path, database: Database) -> None:
    tenant = database.init()
    with (
        serving(database, HOOKSTREAM_LOG_LEVEL="warning") as server,
        Client(server, tenant) as client,
    ):
        request = Request("POST", "/auth/api-keys/verify", tenant.key, {"key": tenant.key})
        found = overrun(program, client, request)
        # Nothing of it writes, so no request has to be rejected: they only wait.
        assert found.statuses.keys() == {200}, found


def test_excess_password_checks_are_rejected_at_once(program: Path, database: Database) -> None:
    tenant = database.init()
    with serving(database) as server, Client(server, tenant) as client:
        body = {"email": tenant.email, "password": "not-theirs-but-long"}
        request = Request("POST", "/auth/sign-in/email", tenant.key, body)
        found = flood(program, server, request, connections=200, seconds=0.3, rate=RATE)
        # Each takes a core for a while: some wait for that, the rest are told to come again.
        assert found.statuses.keys() <= {401, 429, 503}, found
        assert found.statuses[503] > 0
        assert (found.unanswered, found.broken) == (0, 0), found
        assert client.is_alive()
