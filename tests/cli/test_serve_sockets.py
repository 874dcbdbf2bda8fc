"""`hookstream-keys serve` on a Unix socket, and on a socket of systemd's."""

import os
import re
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest
from support import COMMAND, NO_TLS, Database, environment, run
from support.readme import ROOT

from hookstream_keys.server import systemd

UNITS = [
    dict(line.partition("=")[::2] for line in block.splitlines() if not line.startswith("["))
    for block in re.findall(
        r"```ini\n(.*?)```", (ROOT / "docs" / "operation.md").read_text("utf-8"), re.DOTALL
    )
]


@contextmanager
def serving(command: list[str], database: Database, **more: object) -> Iterator[str]:
    """Run a command that serves until the block ends; its first line."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **more) as process:  # type: ignore[call-overload]
        try:
            yield process.stdout.readline()
            process.terminate()
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()


def over(path: Path) -> httpx.Client:
    """A client of a Unix socket."""
    transport = httpx.HTTPTransport(uds=str(path), verify=NO_TLS)
    return httpx.Client(transport=transport, base_url="http://keys.example.com/v1", timeout=20)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_serves_on_a_unix_socket_for_its_owner_and_group(
    database: Database, workers: str
) -> None:
    tenant = database.init()
    path = database.path.with_name("keys.sock")
    # What a killed server leaves.
    with socket.socket(socket.AF_UNIX) as abandoned:
        abandoned.bind(str(path))
    command = [COMMAND, "serve", "--unix", str(path), "--workers", workers]
    settings = environment(database.path, HOOKSTREAM_TRUSTED_PROXIES="unix")
    with serving(command, database, env=settings) as line:
        assert line == f"API         http://unix:{path}:/v1\n"
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        body = {"name": "n", "org_id": tenant.org_id, "env_id": tenant.env_id}
        headers = {"X-API-Key": tenant.key, "X-Forwarded-For": "192.0.2.1, 203.0.113.7"}
        with over(path) as client:
            made = client.post("/auth/api-keys", json=body, headers=headers)
        assert made.status_code == 201
        again = run("serve", "--unix", str(path), database=database.path)
        assert (again.returncode, again.stdout) == (1, "")
        assert again.stderr == (
            f"hookstream-keys: cannot listen on {path}: Address already in use\n"
        )
        with over(path) as client:
            assert client.get("/health").is_success
    assert not path.exists()
    rows = database.execute(
        "select ip_address from audit_log where resource_id = ?", (made.json()["id"],)
    )
    assert rows == [("203.0.113.7",)]


def test_a_peer_of_a_unix_socket_is_not_trusted_by_itself(database: Database) -> None:
    tenant = database.init()
    path = database.path.with_name("keys.sock")
    command = [COMMAND, "serve", "--unix", str(path)]
    settings = environment(database.path, HOOKSTREAM_TRUSTED_PROXIES="127.0.0.1")
    body = {"name": "n", "org_id": tenant.org_id, "env_id": tenant.env_id}
    headers = {"X-API-Key": tenant.key, "X-Forwarded-For": "203.0.113.7"}
    with serving(command, database, env=settings), over(path) as client:
        made = client.post("/auth/api-keys", json=body, headers=headers).json()
    rows = database.execute("select ip_address from audit_log where resource_id = ?", (made["id"],))
    assert rows == [(None,)]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing/keys.sock", "No such file or directory"),
        ("x" * 200, "AF_UNIX path too long"),
        ("hookstream.db", "the file exists, and is no Unix socket"),
    ],
)
def test_a_path_that_cannot_be_listened_on_is_one_line(
    database: Database, name: str, reason: str
) -> None:
    database.init()
    # On PostgreSQL it is no file yet.
    database.path.touch()
    before = database.path.read_bytes()
    answer = run("serve", "--unix", name, database=database.path)
    assert (answer.returncode, answer.stdout, answer.stderr.count("\n")) == (1, "", 1)
    assert answer.stderr.startswith("hookstream-keys: cannot listen on /")
    assert answer.stderr.endswith(f"{name}: {reason}\n")
    assert database.path.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--port", "0"), "--port and --unix"),
        (("--host", "127.0.0.1"), "--host and --unix"),
        # The default, but given.
        (("--port", "8080", "--host", "127.0.0.1"), "--host and --port and --unix"),
    ],
)
def test_a_unix_socket_with_a_host_or_port_is_refused(
    database: Database, options: tuple[str, ...], named: str
) -> None:
    answer = run("serve", "--unix", "keys.sock", *options, database=database.path)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.splitlines()[-1] == (
        f"hookstream-keys: {named} are given, but a Unix socket has no host and no port: leave "
        "--unix out, or give it alone"
    )
    assert list(database.path.parent.iterdir()) == []


def test_a_unix_socket_takes_the_place_of_the_environments_host_and_port(
    database: Database,
) -> None:
    database.init()
    path = database.path.with_name("keys.sock")
    # As a hosting platform sets it; no port is bound, which this address would refuse.
    settings = environment(database.path, PORT="1", HOOKSTREAM_HOST="192.0.2.1")
    with serving([COMMAND, "serve", "--unix", str(path)], database, env=settings) as line:
        assert line == f"API         http://unix:{path}:/v1\n"


AS_SYSTEMD = """
import os, sys
number, count, *command = sys.argv[1:]
os.dup2(int(number), 3)
os.environ.update(LISTEN_FDS=count, LISTEN_PID=str(os.getpid()))
os.execv(command[0], command)
"""


def as_systemd(listener: socket.socket, command: list[str], count: int = 1) -> list[str]:
    """The command line that passes the listener as systemd does."""
    return [sys.executable, "-c", AS_SYSTEMD, str(listener.fileno()), str(count), *command]


def test_the_documented_units_serve_and_tell_systemd(database: Database) -> None:
    tenant = database.init()
    socket_unit, service = UNITS
    assert service["Type"] == "notify"
    path = database.path.with_name(Path(socket_unit["ListenStream"]).name)
    named, *words = service["ExecStart"].split()
    assert named.endswith("/bin/hookstream-keys")
    notified = database.path.with_name("notify.sock")
    with (
        socket.socket(socket.AF_UNIX) as listener,
        closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager,
        over(path) as client,
    ):
        listener.bind(str(path))
        listener.listen()
        listener.set_inheritable(True)
        manager.bind(str(notified))
        manager.settimeout(60)
        settings = {
            # The last `Environment=` of the unit.
            **dict([service["Environment"].split("=", 1)]),
            "NOTIFY_SOCKET": str(notified),
        }
        for _ in range(2):
            # The second time, a client that came while no server ran is answered.
            with socket.socket(socket.AF_UNIX) as early:
                early.connect(str(path))
                early.sendall(b"GET /v1/health HTTP/1.1\r\nHost: h\r\n\r\n")
                with serving(
                    as_systemd(listener, [COMMAND, *words]),
                    database,
                    env=environment(database.path, **settings),
                    pass_fds=(listener.fileno(),),
                ) as line:
                    assert line == f"API         http://unix:{path}:/v1\n"
                    assert manager.recv(100) == b"READY=1"
                    early.settimeout(10)
                    assert early.recv(15) == b"HTTP/1.1 200 OK"
                    headers = {"X-API-Key": tenant.key}
                    assert client.get("/auth/whoami", headers=headers).is_success
                    client.close()
                    client = over(path)  # noqa: PLW2901 - the server closed its connection
            assert manager.recv(100) == b"STOPPING=1"
            assert path.exists()


@pytest.mark.parametrize(
    ("listens", "count", "says"),
    [(False, 1, "no listening stream"), (True, 2, "passed 2 sockets")],
)
def test_what_systemd_passes_wrongly_is_one_line(
    database: Database, *, listens: bool, count: int, says: str
) -> None:
    database.init()
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as plain:
        passed = server if listens else plain
        passed.set_inheritable(True)
        command = as_systemd(passed, [COMMAND, "serve"], count)
        done = subprocess.run(
            command,
            env=environment(database.path),
            pass_fds=(passed.fileno(),),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert says in done.stderr


@pytest.mark.parametrize("option", ["--host", "--port", "--unix"])
def test_an_address_beside_a_socket_of_systemds_is_refused(database: Database, option: str) -> None:
    database.init()
    value = {"--host": "127.0.0.1", "--port": "0", "--unix": "keys.sock"}[option]
    with socket.create_server(("127.0.0.1", 0)) as passed:
        passed.set_inheritable(True)
        done = subprocess.run(
            as_systemd(passed, [COMMAND, "serve", option, value]),
            env=environment(database.path),
            cwd=database.path.parent,
            pass_fds=(passed.fileno(),),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == (
        f"hookstream-keys: systemd passed a socket to listen on, so leave {option} out, or start "
        "the server without a socket unit"
    )
    assert not database.path.with_name("keys.sock").exists()


def test_variables_for_another_process_are_dropped() -> None:
    variables = {"LISTEN_PID": str(os.getppid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "a"}
    assert systemd.passed_socket(variables) is None
    assert variables == {}


def test_a_service_manager_in_the_abstract_namespace_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = f"hookstream-keys-test-{os.getpid()}"
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
        manager.bind(f"\0{name}")
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        systemd.notify(systemd.READY)
        assert manager.recv(100) == b"READY=1"


def test_a_service_manager_that_is_gone_does_not_stop_the_server(database: Database) -> None:
    database.init()
    settings = environment(database.path, NOTIFY_SOCKET=str(database.path.with_name("none")))
    command = [COMMAND, "serve", "--port", "0"]
    with serving(command, database, env=settings, stderr=subprocess.DEVNULL) as line:
        url = line.split()[-1]
        assert httpx.get(f"{url}/health", trust_env=False, verify=NO_TLS).is_success
