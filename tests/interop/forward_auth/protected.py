"""Each proxy with its configuration from docs/forward-auth, before a service and a server."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from interop.forward_auth.service import running_service
from interop.proxies import caddy, free_port, haproxy, nginx, running
from support import NO_TLS, Database, Server, Tenant, serving

DOCS = Path(__file__).parents[3] / "docs" / "forward-auth"

#: The proxies that run, each with its file and what starts it.
PROXIES: dict[str, tuple[str, Callable[[Path, str], list[str]]]] = {
    "nginx": ("nginx.conf", nginx),
    "caddy": ("Caddyfile", caddy),
    "haproxy": ("haproxy.cfg", haproxy),
}

#: What makes an OPTIONS request a CORS preflight.
PREFLIGHT = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}


@dataclass(frozen=True)
class Protected:
    """A server of keys, its tenant, and the URL of the proxy in front of the service."""

    server: Server
    tenant: Tenant
    url: str

    def create(self, **changes: object) -> dict[str, str]:
        """Create a key; returns the response's body."""
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
        self,
        headers: dict[str, str] | list[tuple[str, str]],
        method: str = "GET",
        content: str = "",
    ) -> httpx.Response:
        """Send a request to the service, through the proxy."""
        with httpx.Client(timeout=10, trust_env=False, verify=NO_TLS) as client:
            return client.request(method, f"{self.url}/some/path", headers=headers, content=content)


def environ(answer: httpx.Response) -> dict[str, str]:
    """What the service's WSGI environment has; the request must have reached it."""
    assert answer.status_code == httpx.codes.OK, answer.text
    found: dict[str, str] = answer.json()["environ"]
    return found


def fields(answer: httpx.Response) -> list[tuple[str, str]]:
    """The header fields that reached the service, as they were spelled."""
    assert answer.status_code == httpx.codes.OK, answer.text
    return [(name, value) for name, value in answer.json()["fields"]]


@dataclass(frozen=True)
class Upstreams:
    """What a proxy stands in front of: a server of keys, and the port of the service."""

    server: Server
    tenant: Tenant
    service: int


@contextmanager
def upstreams(folder: Path, *, rate_limit: str = "off") -> Iterator[Upstreams]:
    """Run a server of keys, which trusts the proxy, and the service."""
    database = Database(folder / "hookstream.db")
    tenant = database.init()
    with (
        running_service() as service,
        serving(
            database,
            HOOKSTREAM_TRUSTED_PROXIES="127.0.0.1",
            HOOKSTREAM_RATE_LIMIT=rate_limit,
        ) as server,
    ):
        yield Upstreams(server, tenant, service)


@contextmanager
def protected_by(
    proxy: str, behind: Upstreams, folder: Path, *, scripts: Path = DOCS
) -> Iterator[Protected]:
    """Run the proxy with the file of the docs.

    Of the file, only the ports are changed, and the folder of a script.
    """
    name, command = PROXIES[proxy]
    config = (DOCS / name).read_text(encoding="utf-8")
    port = free_port()
    for printed, real in ((8080, behind.server.address[1]), (9000, behind.service), (8081, port)):
        assert f"127.0.0.1:{printed}" in config
        config = config.replace(f"127.0.0.1:{printed}", f"127.0.0.1:{real}")
    # What only one of the files has: Caddy's second port, and the folder of HAProxy's script.
    config = config.replace("127.0.0.1:8082", f"127.0.0.1:{free_port()}")
    config = config.replace("/etc/haproxy/", f"{scripts}/")
    with running(command(folder, config), folder, port):
        yield Protected(behind.server, behind.tenant, f"http://127.0.0.1:{port}")
