"""Clients that are slow on purpose: they are disconnected, and no other client waits for them."""

import json
import resource
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from security.wire import HOST, LAST, answers, statuses
from support import SOON, Database, Server, serving

from hookstream_keys.settings import Settings

#: What the server under test gives its clients, in seconds.
TIMEOUT = 2
#: By when everything must have happened that is waited for. Nothing is measured against it.
DEADLINE = 60
#: After so many seconds without a request a connection is closed.
IDLE = 2
#: So many connections that are slow at once.
MANY = 700


@pytest.fixture(scope="module")
def server(server_database: Database) -> Iterator[Server]:
    """Started with few files, as on many systems, so that it must raise the limit."""
    settings: dict[str, Any] = {
        "HOOKSTREAM_CLIENT_TIMEOUT": str(TIMEOUT),
        "HOOKSTREAM_KEEP_ALIVE_TIMEOUT": str(IDLE),
        "HOOKSTREAM_RATE_LIMIT": "off",
    }
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        with serving(server_database, **settings) as running:
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, MANY + 200)), hard))
            yield running
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connect(server: Server, data: bytes = b"") -> socket.socket:
    connection = socket.create_connection(server.address, timeout=DEADLINE)
    connection.sendall(data)
    return connection


def drip(connection: socket.socket, piece: bytes) -> bytes:
    """Send a piece again and again until the server closes; what it said."""
    received = b""
    connection.settimeout(0.2)
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        try:
            connection.sendall(piece)
            chunk = connection.recv(65536)
        except TimeoutError:
            continue
        except OSError:
            return received
        if not chunk:
            return received
        received += chunk
    raise AssertionError("the server waits indefinitely")


def until_closed(connection: socket.socket) -> bytes:
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    return received


POST = b"POST /v1/auth/api-keys/verify HTTP/1.1\r\n" + HOST


def posted(server: Server, piece: bytes) -> bytes:
    key = server.database.tenant.key.encode()
    return POST + b"X-API-Key: " + key + b"\r\nContent-Type: application/json\r\n" + piece


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"GET /v1/health HTTP/1.1\r\n" + HOST, b"X: y\r\n"),
        (b"GET /v1/hea", b"l"),
        (b"GET /v1/health HTTP/1.1\r\n" + HOST + b"X: ", b"y"),
        (b"G", b""),
    ],
    ids=["fields", "a target", "a value", "nothing more"],
)
def test_408_to_a_header_that_comes_slowly(server: Server, start: bytes, piece: bytes) -> None:
    with connect(server, start) as connection:
        received = drip(connection, piece)
    # What is still on its way to the server may reset the connection, and the answer is lost.
    assert received == b"" or statuses(answers(received)) == [408]


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"Content-Length: 60000\r\n\r\n{", b" "),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (b"Transfer-Encoding: chunked\r\n\r\n1;", b"x"),
        (b"Content-Length: 5\r\n\r\n", b""),
    ],
    ids=["a length", "chunks", "a chunk's extension", "nothing"],
)
def test_408_to_a_body_that_comes_slowly(server: Server, start: bytes, piece: bytes) -> None:
    with connect(server, posted(server, start)) as connection:
        received = drip(connection, piece)
    assert received == b"" or statuses(answers(received)) == [408]


def test_the_answer_names_the_time_and_is_the_last(server: Server) -> None:
    with connect(server, b"GET /v1/health HTTP/1.1\r\n") as connection:
        [answer] = answers(until_closed(connection))
    error = answer.assert_error()
    assert (error["status"], error["code"]) == (408, "request_timeout")
    assert f"{TIMEOUT} seconds" in error["error"]
    assert answer.headers["connection"] == "close"
    assert error["request_id"] in server.log.read_text(encoding="utf-8")


@pytest.mark.parametrize("data", [b"", b"\r\n", LAST.replace(b"Connection: close\r\n", b"")])
def test_a_connection_without_a_request_is_closed_in_silence(server: Server, data: bytes) -> None:
    with connect(server, data) as connection:
        expected = [200] if data.startswith(b"GET") else []
        assert statuses(answers(until_closed(connection))) == expected


def test_line_ends_between_requests_keep_no_connection(server: Server) -> None:
    with connect(server, LAST.replace(b"Connection: close\r\n", b"")) as connection:
        assert statuses(answers(drip(connection, b"\r\n"))) == [200]


def test_an_unread_body_keeps_no_connection_open(server: Server) -> None:
    # It is answered at once; the rest of what it sends is thrown away, but not without limit.
    start = b"POST /v1/nope HTTP/1.1\r\n" + HOST + b"Content-Length: 60000\r\n\r\n"
    with connect(server, start) as connection:
        assert statuses(answers(drip(connection, b" "))) == [404]


def test_a_client_that_does_not_read_is_disconnected(server: Server) -> None:
    page = b"GET /v1/ui/swagger-ui-bundle.js HTTP/1.1\r\n" + HOST + b"\r\n"
    with connect(server) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(page * 40)
        wait_until_only(server, 0)


def test_pipelined_responses_of_every_size_arrive_whole(server: Server) -> None:
    paths = (b"ui/swagger-ui-bundle.js", b"health", b"openapi.json", b"ui/", b"openapi.yaml") * 4
    requests = [b"GET /v1/" + path + b" HTTP/1.1\r\n" + HOST + b"\r\n" for path in paths]
    with connect(server, b"".join(requests) + LAST) as connection:
        time.sleep(0.5)
        found = answers(until_closed(connection))
    assert statuses(found) == [200] * (len(paths) + 1)


def test_a_client_that_keeps_the_time_is_served_on_and_on(server: Server) -> None:
    get = LAST.replace(b"Connection: close\r\n", b"")
    count = 0
    with connect(server) as connection:
        begun = time.monotonic()
        while time.monotonic() - begun < 2 * TIMEOUT:
            connection.sendall(get[:20])
            time.sleep(0.2)
            connection.sendall(get[20:])
            count += 1
        connection.sendall(LAST)
        assert statuses(answers(until_closed(connection))) == [200] * (count + 1)


def test_an_idle_connection_is_closed_after_its_timeout_and_not_before(server: Server) -> None:
    get = LAST.replace(b"Connection: close\r\n", b"")
    with connect(server) as connection:
        for _ in range(4):
            time.sleep(0.7 * IDLE)
            connection.sendall(get)
            received = b""
            while not received.endswith(b"}"):
                received += connection.recv(65536)
            assert statuses(answers(received)) == [200]
        begun = time.monotonic()
        assert until_closed(connection) == b""
        assert 0.9 * IDLE < time.monotonic() - begun < IDLE + SOON


def test_by_default_a_load_balancer_closes_an_idle_connection_first() -> None:
    # Those of AWS and Google, and nginx's keepalive_timeout towards a server, have 60 seconds.
    assert Settings().keep_alive_timeout > 60


def test_a_client_is_not_blamed_for_a_slow_answer(server: Server) -> None:
    tenant = server.database.tenant
    body = json.dumps({"name": "n", "org_id": tenant.org_id, "env_id": tenant.env_id}).encode()
    create = posted(server, b"Content-Length: %d\r\n\r\n%s" % (len(body), body)).replace(
        b"/verify", b""
    )
    lock = sqlite3.connect(server.database.path, isolation_level=None)
    with closing(lock), connect(server) as connection:
        lock.execute("begin immediate")
        # The next request has begun when this one is still waiting for the database.
        connection.sendall(create + LAST[:20])
        time.sleep(TIMEOUT + 0.5)
        lock.execute("rollback")
        assert connection.recv(1, socket.MSG_PEEK)
        connection.sendall(LAST[20:])
        assert statuses(answers(until_closed(connection))) == [201, 200]


def connections(server: Server) -> int:
    """How many connections the server has, as its operating system counts them."""
    port = f":{server.address[1]:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()]
    return sum(row[1].endswith(port) and row[3] == "01" for row in rows)


def wait_until_only(server: Server, count: int) -> None:
    deadline = time.monotonic() + DEADLINE
    while connections(server) > count:
        assert time.monotonic() < deadline, "the server keeps the connections"
        time.sleep(0.1)


def test_many_slow_connections_block_no_client_and_are_all_closed(server: Server) -> None:
    starts = (b"", b"GET /v1/health HTTP/1.1\r\n", posted(server, b"Content-Length: 99\r\n\r\n{"))
    with ExitStack() as stack:
        for number in range(MANY):
            stack.enter_context(connect(server, starts[number % 3]))
            if number % 100 == 0:
                assert server.request("GET", "/health").status_code == 200
        body = {"key": server.database.tenant.key}
        headers = {"X-API-Key": server.database.tenant.key}
        answer = server.request("POST", "/auth/api-keys/verify", json=body, headers=headers)
        assert answer.json()["code"] == "VALID"
        print(f"{MANY} slow connections, {connections(server)} of them at once")
        wait_until_only(server, 0)
    assert server.request("GET", "/health/ready").status_code == 200


def test_a_request_cut_off_by_its_client_leaves_nothing(server: Server) -> None:
    before = server.database.dump_but_usage()
    for start in (b"GET /v1/hea", posted(server, b"Content-Length: 99\r\n\r\n{")):
        for _ in range(20):
            connect(server, start).close()
    wait_until_only(server, 0)
    assert server.database.dump_but_usage() == before
    log = server.log.read_text(encoding="utf-8")
    assert "Traceback" not in log, log[log.index("Traceback") - 200 :][:6000]
