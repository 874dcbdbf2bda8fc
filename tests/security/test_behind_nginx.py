"""nginx in front, over connections that many clients share: each request stays one client's.

What nginx and this server could read differently would make the rest of one client's request the
beginning of another's.
"""

import http.client
import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from interop.proxies import free_port, nginx, running
from security.test_framing import BODIES, START, body, request
from security.wire import LAST
from support import Database, Server, Tenant, serving

#: Connections to the server are kept, and used for the next client.
CONFIG = """
events {}

http {
  upstream keys {
    server 127.0.0.1:%(server)d;
    keepalive 1;
  }
  client_header_timeout 1s;
  client_body_timeout 1s;
  keepalive_timeout 1s;
%(servers)s
}
"""
SERVER = """
  server {
    listen 127.0.0.1:%(port)d;
    location / {
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_request_buffering %(buffering)s;
      proxy_pass http://keys;
    }
  }
"""

#: A request that is sent only hidden in another one; the log shows when it is read.
HIDDEN = b"PATCH /v1/health HTTP/1.1\r\nHost: t\r\n\r\n"


@dataclass(frozen=True)
class Proxied:
    """A server, and the port of nginx in front of it."""

    server: Server
    tenant: Tenant
    port: int

    def raw(self, data: bytes) -> bytes:
        """Send it to nginx, and read to the end."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(data)
            received = b""
            try:
                while chunk := connection.recv(65536):
                    received += chunk
            except ConnectionResetError:
                pass
            return received

    def others(self, *, key: str | None = None) -> tuple[int, Any]:
        """What another client is answered, over the connection that nginx keeps to the server."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with closing(client):
            headers = {"X-API-Key": key} if key else {}
            client.request("GET", "/v1/auth/whoami", headers=headers)
            answer = client.getresponse()
            return answer.status, json.loads(answer.read())

    def assert_sound(self) -> None:
        """Others' requests are theirs, with their own answers."""
        status, found = self.others(key=self.tenant.key)
        assert (status, found.get("org_id")) == (200, self.tenant.org_id)
        status, _ = self.others()
        assert status == 401

    def hidden(self) -> int:
        """How many requests were read that were none."""
        return self.server.log.read_text(encoding="utf-8").count("method=PATCH path=/v1/health")


@pytest.fixture(scope="module")
def nginxes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Proxied]]:
    """nginx with request buffering `on`, and with it `off`."""
    folder: Path = tmp_path_factory.mktemp("nginx")
    database = Database(folder / "hookstream.db")
    tenant = database.init()
    settings: dict[str, Any] = {
        "HOOKSTREAM_TRUSTED_PROXIES": "127.0.0.1",
        "HOOKSTREAM_RATE_LIMIT": "off",
        "HOOKSTREAM_CLIENT_TIMEOUT": "5",
    }
    with serving(database, **settings) as server:
        ports = {buffering: free_port() for buffering in ("on", "off")}
        servers = [SERVER % {"port": ports[each], "buffering": each} for each in ports]
        config = CONFIG % {"server": server.address[1], "servers": "".join(servers)}
        with running(nginx(folder, config), folder, ports["on"]):
            yield {each: Proxied(server, tenant, port) for each, port in ports.items()}


@pytest.fixture(params=["on", "off"])
def proxied(request: pytest.FixtureRequest, nginxes: dict[str, Proxied]) -> Proxied:
    return nginxes[request.param]


def test_nginx_keeps_its_connection_to_the_server(proxied: Proxied) -> None:
    # Otherwise nothing could be mixed up, and the test would prove nothing.
    ports = set()
    for _ in range(3):
        proxied.assert_sound()
        rows = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()]
        wanted = f":{proxied.server.address[1]:04X}"
        ports |= {row[1] for row in rows if row[2].endswith(wanted) and row[3] == "01"}
    assert len(ports) == 1


@pytest.mark.parametrize("name", BODIES)
def test_no_rest_of_a_request_is_the_beginning_of_another(proxied: Proxied, name: str) -> None:
    rest, _ = BODIES[name]
    before = proxied.server.database.count("api_key")
    hidden = proxied.hidden()
    answer = proxied.raw(request(proxied.tenant, rest) + HIDDEN + LAST)
    proxied.assert_sound()
    statuses = re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)
    created = proxied.server.database.count("api_key") - before
    assert created == statuses.count(b"201") <= 1
    # What follows a request that is valid is the same client's next one, and once.
    assert proxied.hidden() - hidden == statuses.count(b"405") <= 1
    assert len([each for each in statuses if each != b"100"]) <= 3


@pytest.mark.parametrize(
    "data",
    [
        # The request is inside what one of the two takes for a body, and the other might not.
        START + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % len(HIDDEN),
        START + b"Content-Length: %d\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n" % len(HIDDEN),
        START + b"Content-Length: %d\r\nTransfer-Encoding:\x0bchunked\r\n\r\n" % len(HIDDEN),
        START + b"Content-Length: %d\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n" % len(HIDDEN),
        START + b"Content-Length: %d\r\nConnection: Content-Length\r\n\r\n" % len(HIDDEN),
        START + b"Content-Length: %d\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" % len(HIDDEN),
        START + b"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n" % len(HIDDEN),
        START + b"Content-Length: %d\r\nExpect: y 100-continue\r\n\r\n" % len(HIDDEN),
        b"GET /v1/health HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN),
        b"HEAD /v1/health HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN),
        b"OPTIONS /v1/health HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN),
        b"DELETE /v1/nope HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN),
        b"GET /v1/nope%0d%0a%0d%0aPATCH%20/v1/health HTTP/1.1\r\nHost: t\r\nX: ",
    ],
    ids=lambda data: repr(data[-60:]),
)
def test_a_body_is_never_a_request(proxied: Proxied, data: bytes) -> None:
    hidden = proxied.hidden()
    proxied.raw(data + HIDDEN)
    proxied.assert_sound()
    assert proxied.hidden() == hidden


def test_an_incomplete_body_does_not_delay_other_clients(proxied: Proxied) -> None:
    half = request(proxied.tenant, b"Content-Length: 500\r\n\r\n{")
    held = [socket.create_connection(("127.0.0.1", proxied.port), timeout=30) for _ in range(50)]
    for connection in held:
        connection.sendall(half)
    begun = time.monotonic()
    proxied.assert_sound()
    print(f"answered in {time.monotonic() - begun:.3f} s beside 50 that are not whole")
    for connection in held:
        connection.close()


def test_a_client_has_its_own_address_behind_nginx(proxied: Proxied) -> None:
    lie = b"X-Forwarded-For: 192.0.2.7\r\nForwarded: for=192.0.2.7\r\n"
    answer = proxied.raw(
        request(proxied.tenant, lie + b"Connection: close\r\nContent-Length: %N\r\n\r\n%B")
    )
    key_id = json.loads(answer.partition(b"\r\n\r\n")[2])["id"]
    assert json.loads(body(proxied.tenant))["org_id"] == proxied.tenant.org_id
    rows = proxied.server.database.execute(
        "select ip_address from audit_log where resource_id = ?", (key_id,)
    )
    assert rows == [("127.0.0.1",)]
