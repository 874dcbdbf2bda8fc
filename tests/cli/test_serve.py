"""`hookstream-keys serve`: starting, sharing a port, stopping."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from support import (
    COMMAND,
    ON_POSTGRESQL,
    SECRET,
    Database,
    Server,
    Tenant,
    environment,
    run,
    serving,
)


def test_it_says_where_everything_is_and_nothing_secret(database: Database) -> None:
    tenant = database.init()
    with serving(database) as server:
        server.process.terminate()
        assert server.process.stdout is not None
        printed = server.process.stdout.read()
    # The first line, with the API's address, was read to find the server.
    assert printed == f"Swagger UI  {server.url}/ui/\n"
    log = server.log.read_text(encoding="utf-8")
    assert tenant.key not in log
    assert tenant.password not in log


@pytest.mark.on_sqlite(reason="PostgreSQL's database is no file")
@pytest.mark.parametrize("is_empty", [False, True])
def test_a_database_that_does_not_exist_is_refused(database: Database, *, is_empty: bool) -> None:
    if is_empty:
        database.path.touch(0o600)
    found = f"the database {database.path} is an empty file" if is_empty else None
    answer = run("serve", "--port", "0", database=database.path)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr == (
        f"hookstream-keys: {found or f'there is no database {database.path}'}: --database, or "
        "HOOKSTREAM_DATABASE, says where it is; hookstream-keys init makes a new one, serve --init "
        "an empty one, and hookstream-keys restore one of a backup\n"
    )
    assert [path.name for path in database.path.parent.iterdir()] == ["hookstream.db"] * is_empty


@pytest.mark.on_postgresql(reason="a file does not exist, or is empty")
@pytest.mark.parametrize("words", [("serve", "--port", "0"), ("keys", "list", "--org", "org_0")])
def test_a_database_without_tables_is_refused(database: Database, words: tuple[str, ...]) -> None:
    answer = run(*words, database=database.path)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "has no tables of hookstream-keys: --database, or HOOKSTREAM_DATABASE" in answer.stderr
    assert answer.stderr.count("\n") == 1
    tables = "select count(*) from pg_tables where schemaname = 'public'"
    assert database.execute(tables) == [(0,)]


def test_with_init_it_makes_the_database_where_there_is_none(database: Database) -> None:
    with serving(database, workers=2) as server:
        assert server.request("GET", "/health/ready").status_code == 200
    if not ON_POSTGRESQL:
        assert stat.S_IMODE(database.path.stat().st_mode) == 0o600
    assert database.count("api_key") == 0


def test_concurrent_starts_on_an_empty_database_all_succeed(database: Database) -> None:
    # As another ASGI server would: each process makes the application by itself.
    code = "from hookstream_keys.app import from_environment; from_environment()"
    python = str(Path(COMMAND).with_name("python"))
    started = [
        subprocess.Popen(
            [python, "-c", code],
            env=environment(database.path, BETTER_AUTH_SECRET=SECRET if ON_POSTGRESQL else ""),
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    for process in started:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    assert run("init", database=database.path).returncode == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_the_address_is_printed_once_connections_are_accepted(
    database: Database, workers: int
) -> None:
    database.init()
    with subprocess.Popen(
        [COMMAND, "serve", "--port", "0", "--workers", str(workers)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(database.path),
    ) as process:
        try:
            assert process.stdout is not None
            port = re.search(r"http://127\.0\.0\.1:(\d+)/v1$", process.stdout.readline().strip())
            assert port
            socket.create_connection(("127.0.0.1", int(port[1])), timeout=5).close()
        finally:
            process.terminate()


@pytest.mark.parametrize(
    ("workers", "number"),
    [(1, signal.SIGHUP), (2, signal.SIGHUP), (1, signal.SIGQUIT)],
    ids=["one, SIGHUP", "two, SIGHUP", "one, SIGQUIT"],
)
def test_a_signal_to_the_group_stops_it_gracefully(
    database: Database, workers: int, number: signal.Signals
) -> None:
    tenant = database.init()
    with serving(database, workers=workers) as server:
        for ignored in (signal.SIGUSR1, signal.SIGUSR2):
            os.killpg(server.process.pid, ignored)
        used = server.request("GET", "/auth/whoami", headers={"X-API-Key": tenant.key})
        assert used.status_code == 200
        # As a terminal that closes sends it.
        os.killpg(server.process.pid, number)
        assert server.process.wait(timeout=30) == 0
    # Usage is written when the server stops.
    assert database.execute("select sum(count) from key_usage") == [(1,)]


@pytest.mark.parametrize("variable", ["HOOKSTREAM_PORT", "PORT"])
def test_the_environment_says_where_it_listens(database: Database, variable: str) -> None:
    database.init()
    with socket.create_server(("127.0.0.2", 0)) as probe:
        port = probe.getsockname()[1]
    settings = {"HOOKSTREAM_HOST": "127.0.0.2", "HOOKSTREAM_WORKERS": "2", variable: str(port)}
    with subprocess.Popen(
        [COMMAND, "serve"],
        stdout=subprocess.PIPE,
        text=True,
        # `PORT` has no effect beside the other.
        env=environment(database.path, **{"PORT": "1", **settings}),
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == f"API         http://127.0.0.2:{port}/v1\n"
            assert len(children(process.pid)) == 2
        finally:
            process.terminate()


@pytest.mark.parametrize(
    ("variable", "text", "takes"),
    [
        ("HOOKSTREAM_PORT", "65536", "a port, 0 to 65535, such as 8080; 0 chooses a free one"),
        ("PORT", "http", "a port, 0 to 65535, such as 8080; 0 chooses a free one"),
        ("HOOKSTREAM_WORKERS", "x", "a whole number of processes, 1 to 256, such as 4"),
    ],
)
def test_a_variable_that_it_does_not_take_is_refused_by_name(
    database: Database, variable: str, text: str, takes: str
) -> None:
    answer = run("serve", database=database.path, **{variable: text})
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr == f"hookstream-keys: {variable} is {text!r}; it takes {takes}\n"


@pytest.mark.parametrize(
    ("command", "option", "text", "takes"),
    [
        ("serve", "--port", "80000", "a port, 0 to 65535, such as 8080; 0 chooses a free one"),
        ("sandbox", "--port", "http", "a port, 0 to 65535, such as 8080; 0 chooses a free one"),
        ("serve", "--workers", "0", "a whole number of processes, 1 to 256, such as 4"),
    ],
)
def test_an_option_that_is_no_number_of_its_kind_is_refused_in_words(
    database: Database, command: str, option: str, text: str, takes: str
) -> None:
    answer = run(command, option, text, database=database.path)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.splitlines()[-1].endswith(f": {text!r} is not {takes}")


@pytest.mark.parametrize("workers", [1, 2])
def test_nohup_lets_it_ignore_the_end_of_its_terminal(database: Database, workers: int) -> None:
    database.init()
    with serving(database, workers=workers, command=("nohup", COMMAND)) as server:
        os.killpg(server.process.pid, signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(timeout=1.5)
        assert server.request("GET", "/health/ready").status_code == 200


@pytest.mark.parametrize("workers", [1, 3])
def test_sigterm_answers_what_is_in_flight(database: Database, workers: int) -> None:
    tenant = database.init()
    body = json.dumps(
        {"name": "in flight", "org_id": tenant.org_id, "env_id": tenant.env_id}
    ).encode()
    head = (
        b"POST /v1/auth/api-keys HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n"
        b"X-API-Key: %s\r\nContent-Length: %d\r\n\r\n" % (tenant.key.encode(), len(body))
    )
    with serving(database, workers=workers) as server:
        connections = [socket.create_connection(server.address, timeout=20) for _ in range(6)]
        for connection in connections:
            connection.sendall(head + body[:5])
        time.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(1)
        for connection in connections:
            connection.sendall(body[5:])
        answers = [connection.recv(65536) for connection in connections]
        for connection in connections:
            connection.close()
        assert server.process.wait(timeout=30) == 0
    assert [answer[:12] for answer in answers] == [b"HTTP/1.1 201"] * 6
    # The first key, and one for each answer.
    assert database.count("api_key") == 7
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(server.address, timeout=5)


def test_sigterm_while_it_starts_is_not_lost(database: Database) -> None:
    database.init()
    # Several at once take longer, and each gets the signal a little later in its start.
    started = [
        subprocess.Popen(
            [COMMAND, "serve", "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=database.path.parent,
            env=environment(database.path),
        )
        for _ in range(8)
    ]
    try:
        for process in started:
            time.sleep(0.15)
            process.terminate()
        ends = {process.wait(timeout=30) for process in started}
    finally:
        for process in started:
            process.kill()
            process.communicate()
    # Before there is anything to stop, the signal just ends it.
    assert ends <= {0, -signal.SIGTERM}


def test_every_worker_serves_the_one_port(database: Database) -> None:
    tenant = database.init()
    with serving(database, workers=2) as server:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda number: _create(server, tenant, number), range(60)))
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.json()["key"] for answer in answers}) == 60
    assert database.count("api_key") == 61
    assert database.count_changes() == 63


def _create(server: Server, tenant: Tenant, number: int) -> httpx.Response:
    return server.request(
        "POST",
        "/auth/api-keys",
        json={"name": f"n{number}", "org_id": tenant.org_id, "env_id": tenant.env_id},
        headers={"X-API-Key": tenant.key},
    )


def test_a_worker_that_dies_is_replaced(database: Database) -> None:
    database.init()
    with serving(database, workers=2) as server:
        before = set(_workers(server))
        assert len(before) == 2
        os.kill(min(before), signal.SIGKILL)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and len(set(_workers(server)) - {min(before)}) < 2:
            time.sleep(0.2)
        assert len(set(_workers(server)) - {min(before)}) == 2
        assert server.request("GET", "/health/ready").status_code == 200


def _workers(server: Server) -> list[int]:
    return children(server.process.pid)


def children(parent: int) -> list[int]:
    """The worker processes of a supervisor."""
    found = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    return [
        int(pid)
        for pid in found.split()
        # multiprocessing has a helper process of its own beside the workers.
        if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()
    ]


def test_a_port_in_use_is_one_clear_error_line(database: Database) -> None:
    with serving(database) as server:
        _, port = server.address
        answer = run("serve", "--port", str(port), database=database.path)
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1
    assert "in use" in answer.stderr


@pytest.mark.parametrize("command", ["serve", "sandbox"])
def test_an_empty_host_is_refused_and_nothing_is_made(database: Database, command: str) -> None:
    # A sandbox makes a database of its own.
    of_a_sandbox = {"HOOKSTREAM_DATABASE": "", "BETTER_AUTH_SECRET": ""}
    settings = of_a_sandbox if command == "sandbox" else {}
    # Without the database, too, the host is what is wrong with the command.
    for options in ((), ("--init",)) if command == "serve" else ((),):
        answer = run(command, *options, "--host", "", database=database.path, **settings)
        assert (answer.returncode, answer.stdout) == (1, "")
        assert answer.stderr.count("\n") == 1
        assert "127.0.0.1" in answer.stderr
        assert list(database.path.parent.iterdir()) == []


def test_it_listens_on_ipv6(database: Database) -> None:
    if not socket.has_ipv6 or not _has_ipv6_loopback():
        pytest.skip("this machine has no IPv6 loopback")
    process = subprocess.Popen(
        [COMMAND, "serve", "--init", "--host", "::1", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=database.path.parent,
        env=environment(database.path),
    )
    try:
        assert process.stdout is not None
        assert "http://[::1]:" in process.stdout.readline()
    finally:
        process.terminate()
        process.communicate(timeout=30)


def _has_ipv6_loopback() -> bool:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            return False
    return True


def test_x_forwarded_for_is_accepted_from_trusted_proxies_only(database: Database) -> None:
    tenant = database.init()
    for proxies, expected in (("", "127.0.0.1"), ("127.0.0.1", "203.0.113.7")):
        with serving(database, HOOKSTREAM_TRUSTED_PROXIES=proxies) as server:
            answer = server.request(
                "POST",
                "/auth/api-keys",
                json={"name": "n", "org_id": tenant.org_id, "env_id": tenant.env_id},
                headers={"X-API-Key": tenant.key, "X-Forwarded-For": "203.0.113.7"},
            )
        rows = database.execute(
            "select ip_address from audit_log where resource_id = ?", (answer.json()["id"],)
        )
        assert rows == [(expected,)]


@pytest.mark.skipif(not _has_ipv6_loopback(), reason="this machine has no IPv6")
def test_an_ipv4_client_of_an_ipv6_socket_is_known_by_its_ipv4_address(database: Database) -> None:
    tenant = database.init()
    every_address = ("--host", "::")
    with serving(database, options=every_address, HOOKSTREAM_TRUSTED_PROXIES="127.0.0.1") as server:
        for forwarded, expected in (
            ({}, "127.0.0.1"),
            ({"X-Forwarded-For": "192.0.2.7"}, "192.0.2.7"),
        ):
            answer = httpx.post(
                f"http://127.0.0.1:{server.address[1]}/v1/auth/api-keys",
                json={"name": "n", "org_id": tenant.org_id, "env_id": tenant.env_id},
                headers={"X-API-Key": tenant.key, **forwarded},
            )
            rows = database.execute(
                "select ip_address from audit_log where resource_id = ?", (answer.json()["id"],)
            )
            assert rows == [(expected,)]
