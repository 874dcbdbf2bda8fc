"""Clients that do not read: what they are sent does not fill the memory of the worker."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from security.wire import HOST
from support import Database, Server, serving

#: So many clients that do not read, each with more requests than the kernel takes responses of.
CLIENTS, REQUESTS = 250, 16
#: The metadata of one key in bytes, more than can be given to it: as much as the largest page.
METADATA = 512 * 1024
#: The memory that a worker may take, in bytes. It takes 118 MB, 82 of them from the start, and
#: would take over 300 MB without the bound.
MOST = 150_000_000
#: By when everything must have happened that is waited for, in seconds.
DEADLINE = 60


@pytest.fixture
def server(server_database: Database) -> Iterator[Server]:
    with serving(server_database, HOOKSTREAM_RATE_LIMIT="off") as running:
        yield running


def make_a_large_key(server: Server) -> str:
    """The ID of a key with much metadata."""
    tenant, headers = server.database.tenant, {"X-API-Key": server.database.tenant.key}
    body = {"name": "n", "org_id": tenant.org_id, "env_id": tenant.env_id}
    made = server.request("POST", "/auth/api-keys", json=body, headers=headers).json()
    metadata = json.dumps({"n": "x" * METADATA})
    server.database.execute("update api_key set metadata = ? where id = ?", (metadata, made["id"]))
    return str(made["id"])


def wait_for(server: Server, words: str) -> str:
    """The server's log, once it has these words."""
    deadline = time.monotonic() + DEADLINE
    while words not in (log := server.log.read_text(encoding="utf-8")):
        assert time.monotonic() < deadline, log[-2000:]
        time.sleep(0.1)
    return log


def peak_memory(server: Server) -> int:
    """The most memory that the server has had, in bytes; proc_pid_status(5) has kB."""
    status = Path(f"/proc/{server.process.pid}/status").read_text("ascii")
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def test_responses_that_no_client_reads_take_bounded_memory(server: Server) -> None:
    path = f"/auth/api-keys/{make_a_large_key(server)}"
    key = server.database.tenant.key
    size = len(server.request("GET", path, headers={"X-API-Key": key}).content)
    fields = HOST + b"X-API-Key: " + key.encode() + b"\r\n\r\n"
    request = b"GET /v1" + path.encode() + b" HTTP/1.1\r\n" + fields
    with ExitStack() as stack:
        for number in range(CLIENTS):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(server.address)
            connection.sendall(request * REQUESTS)
            if number % 50 == 0:
                # A client that reads gets all of it.
                answer = server.request("GET", path, headers={"X-API-Key": key})
                assert len(answer.content) == size
        log = wait_for(server, "its client has not read a response")
        assert server.request("GET", "/health").status_code == 200
    assert CLIENTS * REQUESTS * size > 10 * MOST
    assert peak_memory(server) < MOST
    assert "Traceback" not in log
