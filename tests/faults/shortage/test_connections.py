"""There are more connections than the operating system gives the server files for."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from faults.shortage.client import Client, assert_unavailable, eventually
from support import COMMAND, Database, serving

#: How many files the server may have open, and how many connections its clients make.
FILES = 128
CONNECTIONS = 400
#: A request whose body is still to come.
HALF = (
    b"POST /v1/auth/api-keys/verify HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n"
    b"Content-Length: 100\r\n\r\n{"
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    database = Database(tmp_path_factory.mktemp("files") / "hookstream.db")
    tenant = database.init()
    few_files = ("sh", "-c", f'ulimit -n {FILES}; exec "$@"', "sh")
    with (
        serving(database, command=(*few_files, COMMAND)) as server,
        Client(server, tenant) as client,
    ):
        yield client


@contextmanager
def connections(client: Client, first: bytes = b"") -> Iterator[list[socket.socket]]:
    """So many that are open at once, each of which has sent so much."""
    with ExitStack() as stack:
        made = []
        for _ in range(CONNECTIONS):
            connection = stack.enter_context(socket.create_connection(client.server.address, 20))
            made.append(connection)
            with_luck(connection, first)
        yield made


def with_luck(connection: socket.socket, data: bytes) -> None:
    try:
        connection.sendall(data)
    except ConnectionError:
        return


def seconds_of_cpu(client: Client) -> float:
    words = Path(f"/proc/{client.server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def has_read_all(client: Client) -> bool:
    """Whether all connections were accepted, and all that was sent is read: proc_pid_net(5)."""
    port = f":{client.server.address[1]:04X}"
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return not any(int(row[4].partition(":")[2], 16) for row in rows if row[1].endswith(port))


def try_to(client: Client) -> httpx.Response | None:
    """Create a key; None when the connection is closed without an answer."""
    try:
        return client.create()
    except httpx.TransportError:
        return None


def test_idle_connections_are_closed_for_new_ones(client: Client) -> None:
    with connections(client):
        eventually(lambda: (answer := try_to(client)) and answer.status_code == 201, "a key")
        before = seconds_of_cpu(client)
        time.sleep(1)
        assert seconds_of_cpu(client) - before < 0.5, "it is busy with nothing"
        for _ in range(5):
            assert client.create().status_code == 201
        assert client.is_ready()
    client.assert_whole()


def test_where_no_connection_is_idle_new_ones_are_rejected(client: Client) -> None:
    with connections(client, HALF):
        # A connection whose request is still unread counts as idle, and is closed for a new one.
        eventually(lambda: has_read_all(client), "all is read")
        answers = [try_to(client) for _ in range(10)]
        for answer in answers:
            if answer is not None:
                assert_unavailable(answer)
        before = seconds_of_cpu(client)
        time.sleep(1)
        assert seconds_of_cpu(client) - before < 0.5, "it is busy with nothing"
    eventually(lambda: (answer := try_to(client)) and answer.status_code == 201, "a key")
    assert client.is_ready()
    client.assert_whole()
    log = client.server.log.read_text(encoding="utf-8")
    assert "Traceback" not in log
