"""Pages of other origins in a real browser: a trusted one uses the API, an untrusted one cannot."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page
from support import Database, Server, serving

#: Sends one request, and tells what the page may know of the response: nothing, if it fails.
SEND = """
async ({url, method, body, headers, mode}) => {
  const options = {method, mode, credentials: 'include', headers: {...headers}};
  if (body !== null) {
    options.body = JSON.stringify(body);
    if (mode === 'cors') options.headers['Content-Type'] = 'application/json';
  }
  try {
    const response = await fetch(url, options);
    const text = await response.text();
    return {
      status: response.status,
      headers: Object.fromEntries(response.headers),
      body: text.startsWith('{') ? JSON.parse(text) : text,
    };
  } catch (error) {
    return {failed: error.message};
  }
}
"""


class Blank(BaseHTTPRequestHandler):
    """A site with one empty page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>A page</title>")

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""


@contextmanager
def site() -> Iterator[int]:
    """Serve the page until the block ends; its port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Blank) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def ports() -> Iterator[tuple[int, int]]:
    """The ports of two sites: another port is another origin of the same site."""
    with ExitStack() as stack:
        yield stack.enter_context(site()), stack.enter_context(site())


@pytest.fixture(scope="module")
def server(server_database: Database, ports: tuple[int, int]) -> Iterator[Server]:
    """A server that trusts the first site, by two names: with one it has cookies in common."""
    trusted = f"http://localhost:{ports[0]},http://127.0.0.1:{ports[0]}"
    with serving(server_database, HOOKSTREAM_TRUSTED_ORIGINS=trusted) as running:
        yield running


class Caller:
    """A page that sends requests to the API, whose host it calls `localhost`."""

    def __init__(self, page: Page, server: Server) -> None:
        self._page = page
        self._base = f"http://localhost:{server.address[1]}/v1"
        self.tenant = server.database.tenant

    def send(
        self, method: str, path: str, body: Any = None, *, mode: str = "cors", **headers: str
    ) -> dict[str, Any]:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        request = {"url": self._base + path, "method": method, "body": body, "headers": fields}
        answer: dict[str, Any] = self._page.evaluate(SEND, {**request, "mode": mode})
        return answer

    def sign_in(self) -> dict[str, Any]:
        body = {"email": self.tenant.email, "password": self.tenant.password}
        return self.send("POST", "/auth/sign-in/email", body)

    def create(self, **headers: str) -> dict[str, Any]:
        body = {"name": "By a page", "org_id": self.tenant.org_id, "env_id": self.tenant.env_id}
        return self.send("POST", "/auth/api-keys", body, **headers)


def caller(context: BrowserContext, server: Server, host: str, port: int) -> Caller:
    page = context.new_page()
    page.goto(f"http://{host}:{port}/")
    return Caller(page, server)


def test_a_page_of_a_trusted_origin_works_with_the_session_cookie(
    context: BrowserContext, server: Server, ports: tuple[int, int]
) -> None:
    page = caller(context, server, "localhost", ports[0])
    signed_in = page.sign_in()
    assert signed_in["status"] == 200, signed_in
    for name in ("set-auth-token", "x-request-id", "ratelimit-limit", "ratelimit-remaining"):
        assert signed_in["headers"][name]
    created = page.create(Idempotency_Key="a-page-of-the-console")
    assert created["status"] == 201, created
    path = f"/auth/api-keys/{created['body']['id']}"
    listed = page.send("GET", "/auth/api-keys")
    assert created["body"]["id"] in [key["id"] for key in listed["body"]["api_keys"]]
    version = page.send("GET", path)["headers"]["etag"]
    assert page.send("PATCH", path, {"name": "New"}, If_Match=version)["status"] == 200
    stale = page.send("DELETE", path, If_Match=version)
    assert (stale["status"], stale["body"]["code"]) == (412, "precondition_failed")
    assert page.send("DELETE", path)["status"] == 204
    assert page.send("GET", path)["body"]["api_key"]["state"] == "revoked"
    # Errors can be read as well.
    missing = page.send("GET", "/auth/api-keys/ak_0")
    assert (missing["status"], missing["body"]["code"]) == (404, "api_key_not_found")
    assert page.send("POST", "/auth/sign-out")["status"] == 200
    assert page.create()["status"] == 401


def test_a_page_of_another_site_works_with_the_token(
    context: BrowserContext, server: Server, ports: tuple[int, int]
) -> None:
    # No browser sends it the cookie, which is SameSite=Lax.
    page = caller(context, server, "127.0.0.1", ports[0])
    token = page.sign_in()["headers"]["set-auth-token"]
    assert page.create()["status"] == 401
    bearer = {"Authorization": f"Bearer {token}"}
    created = page.create(**bearer)
    assert created["status"] == 201, created
    path = f"/auth/api-keys/{created['body']['id']}"
    assert page.send("GET", path, **bearer)["status"] == 200
    assert page.send("DELETE", path, **bearer)["status"] == 204


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_page_of_an_untrusted_origin_reads_and_changes_nothing(
    context: BrowserContext, server: Server, ports: tuple[int, int], host: str
) -> None:
    trusted = caller(context, server, "localhost", ports[0])
    assert trusted.sign_in()["status"] == 200
    created = trusted.create()["body"]
    path = f"/auth/api-keys/{created['id']}"
    page = caller(context, server, host, ports[1])
    before = server.database.dump_but_usage()
    answers = [
        page.sign_in(),
        page.create(),
        page.create(X_API_Key=created["key"]),
        page.send("GET", "/auth/api-keys"),
        page.send("GET", "/auth/get-session"),
        page.send("PATCH", path, {"name": "By another"}),
        page.send("DELETE", path),
        page.send("POST", "/auth/sign-out"),
    ]
    assert answers == [{"failed": "Failed to fetch"}] * len(answers)
    # What needs no permission is sent, and refused; the page cannot even read that.
    for sent in ("/auth/api-keys", "/organizations", "/auth/sign-out", "/auth/sign-in/email"):
        opaque = page.send("POST", sent, {"name": "By another"}, mode="no-cors")
        assert opaque == {"status": 0, "headers": {}, "body": ""}
    opaque = page.send("GET", "/auth/api-keys", mode="no-cors")
    assert json.dumps(opaque).count(created["id"]) == 0
    assert server.database.dump_but_usage() == before
    assert trusted.send("GET", path)["body"]["api_key"]["state"] == "active"
