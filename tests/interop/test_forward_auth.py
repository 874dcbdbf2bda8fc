"""nginx and Caddy with the configuration files of the docs, in front of a protected service."""

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
from support import Database, Server, Tenant, serving
from support.programs import require

DOCS = Path(__file__).parents[2] / "docs" / "forward-auth"


class Dependencies(BaseHTTPRequestHandler):
    """What is protected: it shows the headers that reached it."""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer()

    def _answer(self) -> None:
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture(scope="module")
def service() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Dependencies) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@dataclass(frozen=True)
class Protected:
    """A server of keys, its tenant, and the address of the proxy in front of the service."""

    server: Server
    tenant: Tenant
    url: str

    def create(self, **changes: object) -> dict[str, str]:
        body = {"name": "n", "org_id": self.tenant.org_id, "env_id": self.tenant.env_id}
        answer = self.server.request(
            "POST",
            "/auth/api-keys",
            json={**body, **changes},
            headers={"X-API-Key": self.tenant.key},
        )
        created: dict[str, str] = answer.json()
        return created

    def ask(
        self, headers: dict[str, str], method: str = "GET", content: str = ""
    ) -> httpx.Response:
        with httpx.Client(timeout=10, trust_env=False) as client:
            return client.request(method, f"{self.url}/some/path", headers=headers, content=content)


def nginx(folder: Path, config: str) -> list[str]:
    file = folder / "nginx.conf"
    # What a packaged nginx keeps in places that only root may write to.
    places = "".join(
        f"{name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = config.replace("http {\n", f"http {{\naccess_log off;\n{places}", 1)
    # Started by root, its workers would run as a user who may not write to a test's folder.
    user = "user root;\n" if os.geteuid() == 0 else ""
    file.write_text(f"daemon off;\n{user}pid {folder}/pid;\n{config}", encoding="utf-8")
    return [require("nginx", "nginx"), "-e", str(folder / "error.log"), "-c", str(file)]


def caddy(folder: Path, config: str) -> list[str]:
    file = folder / "Caddyfile"
    file.write_text(config, encoding="utf-8")
    return [require("caddy", "caddy"), "run", "--adapter", "caddyfile", "--config", str(file)]


PROXIES: dict[str, tuple[str, Callable[[Path, str], list[str]]]] = {
    "nginx": ("nginx.conf", nginx),
    "caddy": ("Caddyfile", caddy),
}


@pytest.fixture(scope="module", params=PROXIES)
def protected(
    request: pytest.FixtureRequest, service: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Protected]:
    folder = tmp_path_factory.mktemp(request.param)
    name, command = PROXIES[request.param]
    database = Database(folder / "hookstream.db")
    tenant = database.init()
    with serving(
        database,
        workers=2,
        HOOKSTREAM_TRUSTED_PROXIES="127.0.0.1",
        HOOKSTREAM_RATE_LIMIT="600",
    ) as server:
        port = free_port()
        config = (DOCS / name).read_text(encoding="utf-8")
        for printed, real in ((8080, server.address[1]), (9000, service), (8081, port)):
            assert f"127.0.0.1:{printed}" in config
            config = config.replace(f"127.0.0.1:{printed}", f"127.0.0.1:{real}")
        with running(command(folder, config), folder, port):
            yield Protected(server, tenant, f"http://127.0.0.1:{port}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running(command: list[str], folder: Path, port: int) -> Iterator[None]:
    log = folder / "proxy.log"
    with log.open("w", encoding="utf-8") as sink:
        process = subprocess.Popen(
            command,
            stdout=sink,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={"HOME": str(folder), "XDG_DATA_HOME": str(folder), "PATH": "/usr/bin:/bin"},
        )
    try:
        deadline = time.monotonic() + 30
        while not answers(port):
            assert process.poll() is None, log.read_text(encoding="utf-8")
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_a_valid_key_passes_and_the_service_learns_its_identity(protected: Protected) -> None:
    created = protected.create(scopes="events:*")
    for headers in (
        {"X-API-Key": created["key"]},
        {"Authorization": f"Bearer {created['key']}"},
    ):
        answer = protected.ask(headers)
        assert answer.status_code == 200
        seen = answer.json()
        assert seen["x-key-id"] == created["id"]
        assert seen["x-org-id"] == protected.tenant.org_id
        assert seen["x-env-id"] == protected.tenant.env_id
        assert seen["x-scopes"] == "events:*"


def test_the_service_does_not_get_the_key(protected: Protected) -> None:
    created = protected.create()
    assert created["key"] not in protected.ask({"X-API-Key": created["key"]}).text
    assert created["key"] not in protected.ask({"Authorization": f"Bearer {created['key']}"}).text


def test_a_client_cannot_set_identity_headers(protected: Protected) -> None:
    created = protected.create()
    lies = {"X-Key-Id": "ak_me", "X-Org-Id": "org_me", "X-Env-Id": "env_me", "X-Scopes": "*:*"}
    answer = protected.ask({"X-API-Key": created["key"], **lies})
    assert answer.json()["x-key-id"] == created["id"]
    assert not re.search("_me|\\*:\\*", answer.text)


def test_a_post_passes_with_its_body(protected: Protected) -> None:
    created = protected.create()
    answer = protected.ask({"X-API-Key": created["key"]}, "POST", "x" * 100_000)
    assert answer.status_code == 200
    assert answer.json()["content-length"] == "100000"


@pytest.mark.parametrize(
    "headers", [{}, {"X-API-Key": "nonsense"}, {"Authorization": "Bearer nonsense"}]
)
def test_401_without_a_valid_key(protected: Protected, headers: dict[str, str]) -> None:
    assert protected.ask(headers).status_code == 401


def test_401_from_the_moment_that_a_key_is_revoked(protected: Protected) -> None:
    for _ in range(5):
        created = protected.create()
        key = {"X-API-Key": created["key"]}
        assert protected.ask(key).status_code == 200
        protected.server.request("POST", "/auth/api-keys/revoke", json={"key": created["key"]})
        assert [protected.ask(key).status_code for _ in range(4)] == [401] * 4


def test_403_without_the_scope(protected: Protected) -> None:
    created = protected.create(scopes="events:write")
    assert protected.ask({"X-API-Key": created["key"]}).status_code == 403


def test_429_when_the_key_is_used_more_often_than_it_may_be(protected: Protected) -> None:
    created = protected.create(rate_limit={"requests": 3, "window_seconds": 3600})
    key = {"X-API-Key": created["key"]}
    assert [protected.ask(key).status_code for _ in range(3)] == [200] * 3
    for method in ("GET", "POST"):
        answer = protected.ask(key, method, "x" if method == "POST" else "")
        assert answer.status_code == 429
        assert 1190 <= int(answer.headers["retry-after"]) <= 1200
    # Others are not touched.
    assert protected.ask({"X-API-Key": protected.create()["key"]}).status_code == 200


def test_the_address_is_the_clients(protected: Protected) -> None:
    elsewhere = protected.create(allowed_ips=["192.0.2.0/24"])
    here = protected.create(allowed_ips=["127.0.0.1"])
    assert protected.ask({"X-API-Key": here["key"]}).status_code == 200
    assert protected.ask({"X-API-Key": elsewhere["key"]}).status_code == 401
    # The client's own headers are replaced by the proxy's.
    lie = {"X-Forwarded-For": "192.0.2.7"}
    assert protected.ask({"X-API-Key": elsewhere["key"], **lie}).status_code == 401


def test_429_only_to_the_unauthenticated_client_that_tries_too_many_keys(
    protected: Protected,
) -> None:
    created = protected.create()
    statuses = {protected.ask({"X-API-Key": "nonsense"}).status_code for _ in range(120)}
    assert statuses == {401, 429}
    assert protected.ask({"X-API-Key": created["key"]}).status_code == 200
