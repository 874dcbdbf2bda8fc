"""SIGTERM while clients ask as fast as they can: nothing that was sent stays without an answer.

With FAULTS_SECONDS or FAULTS_CYCLES also what takes a minute: a worker that hangs.
"""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from faults.processes import DEADLINE_SECONDS, is_running, wait_for, workers
from faults.visitors import Visits
from support import Database, Server, serving

#: How many clients keep their connections, and how many come anew for every request.
KEEPING, COMING = 6, 4
IS_LONG = bool(os.environ.get("FAULTS_SECONDS") or os.environ.get("FAULTS_CYCLES"))
#: Responses are not checked here: it takes longer than to make them.
QUICKLY = {"HOOKSTREAM_RATE_LIMIT": "off", "HOOKSTREAM_VALIDATE_RESPONSES": "off"}
OK = "http/1.1 201 created"


@contextlib.contextmanager
def visited(visits: Visits) -> Iterator[None]:
    """Let clients send requests until the server is gone, or the block fails."""
    threads = [
        threading.Thread(target=visits.visit, kwargs={"keep": number < KEEPING})
        for number in range(KEEPING + COMING)
    ]
    for thread in threads:
        thread.start()
    try:
        wait_for(lambda: visits.ends[OK] >= 50, "the clients did too little")
        yield
    except BaseException:
        visits.over.set()
        raise
    finally:
        for thread in threads:
            thread.join(timeout=DEADLINE_SECONDS)
    assert not any(thread.is_alive() for thread in threads)


def check(visits: Visits, database: Database) -> None:
    """Every request was answered, what was answered is stored, and what was used is counted."""
    assert set(visits.ends) <= {OK, "closed before it was sent"}, visits.ends
    ids = {row[0] for row in database.execute("select id from api_key where name = 'visit'")}
    assert ids == set(visits.made)
    assert len(visits.made) == visits.ends[OK]
    used = database.execute("select sum(count) from key_usage where outcome = 'VALID'")
    assert used == [(len(visits.made),)]


def check_log(visits: Visits, server: Server) -> None:
    """The access log has a line for every response."""
    log = server.log.read_text(encoding="utf-8")
    assert log.count(" method=POST path=/v1/auth/api-keys status=201 ") == len(visits.made)


@pytest.mark.parametrize("count", [1, 2] if IS_LONG else [1])
def test_sigterm_under_load_answers_every_request(database: Database, count: int) -> None:
    tenant = database.init()
    with serving(database, workers=count, **QUICKLY) as server:  # type: ignore[arg-type]
        visits = Visits(server, tenant)
        with visited(visits):
            server.process.terminate()
            assert server.process.wait(timeout=DEADLINE_SECONDS) == 0
    check(visits, database)
    check_log(visits, server)


def test_sigterm_to_one_worker_breaks_no_request(database: Database) -> None:
    tenant = database.init()
    with serving(database, workers=2, **QUICKLY) as server:  # type: ignore[arg-type]
        visits = Visits(server, tenant)
        with visited(visits):
            before = workers(server)
            os.kill(min(before), signal.SIGTERM)
            wait_for(
                lambda: len(workers(server) - {min(before)}) == 2, "the worker was not replaced"
            )
            time.sleep(0.3)
            server.process.terminate()
            assert server.process.wait(timeout=DEADLINE_SECONDS) == 0
    check(visits, database)
    check_log(visits, server)


def test_workers_whose_parent_is_killed_stop_and_leave_the_port(database: Database) -> None:
    tenant = database.init()
    with serving(database, workers=2, **QUICKLY) as server:  # type: ignore[arg-type]
        visits = Visits(server, tenant)
        with visited(visits):
            left = workers(server)
            server.process.kill()
            server.process.wait(timeout=DEADLINE_SECONDS)
            wait_for(lambda: not any(map(is_running, left)), "a worker goes on without its parent")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(server.address, timeout=5)
    # The last clients were not told to stop.
    for end in ("reset", "reset while connecting"):
        del visits.ends[end]
    check(visits, database)


@pytest.mark.skipif(not IS_LONG, reason="takes a minute: set FAULTS_SECONDS or FAULTS_CYCLES")
def test_a_worker_that_hangs_does_not_keep_the_server_from_stopping(database: Database) -> None:
    database.init()
    with serving(database, workers=2) as server:
        os.kill(min(workers(server)), signal.SIGSTOP)
        server.process.terminate()
        assert server.process.wait(timeout=2 * DEADLINE_SECONDS) == 0
