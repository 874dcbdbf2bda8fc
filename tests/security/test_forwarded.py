"""Forwarded addresses and schemes are accepted from trusted proxies only."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from security.valid_requests import Client, Headers
from support import Database, Server, Tenant, cookie, run

CLIENT, LIE = "203.0.113.7", "198.51.100.99"

#: Every header by which a client could claim another identity, address or scheme.
LIES: Headers = {
    "X-Forwarded-For": LIE,
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "443",
    "X-Forwarded-Server": "evil.example",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Ssl": "on",
    "X-Forwarded-Scheme": "https",
    "X-Real-IP": LIE,
    "X-Client-IP": LIE,
    "X-Cluster-Client-IP": LIE,
    "True-Client-IP": LIE,
    "CF-Connecting-IP": LIE,
    "Fastly-Client-IP": LIE,
    "Front-End-Https": "on",
    "Forwarded": f"for={LIE};proto=https;host=evil.example",
    "Via": "1.1 evil.example",
}
#: The same, but for what a proxy that is trusted says itself.
OTHER_LIES = {
    name: value
    for name, value in LIES.items()
    if name not in ("X-Forwarded-For", "X-Forwarded-Proto")
}


class Dependencies:
    """A server, and what can be found out of it of who it takes a client for."""

    def __init__(self, server: Server, tenant: Tenant, client: Client) -> None:
        self.server = server
        self.tenant = tenant
        self.client = client

    def address(self, headers: Headers) -> str | None:
        """The address in the audit log."""
        tenant = self.tenant
        body = {"name": "n", "org_id": tenant.org_id, "env_id": tenant.env_id}
        answer = self.client.send_json(
            "POST", "/auth/api-keys", {"X-API-Key": tenant.key} | headers, body
        )
        assert answer.status == 201, answer.content
        rows = self.server.database.execute(
            "select ip_address from audit_log where resource_id = ?", (answer.json()["id"],)
        )
        found: str | None = rows[0][0]
        return found

    def is_secure(self, headers: Headers) -> bool:
        """Whether cookies are kept to https."""
        answer = self.client.send("POST", "/auth/sign-out", headers)
        assert answer.status == 200
        return all("; Secure" in field for field in answer.headers.get_all("set-cookie", []))

    def changes_from(self, origin: str, headers: Headers) -> int:
        """What a signed-in browser is answered whose page is of this origin."""
        session = cookie(self.server.database.add_session(self.tenant.user_id))
        headers = {"Origin": origin, "Cookie": session} | headers
        return self.client.send_json("POST", "/organizations", headers, {"name": "Acme"}).status

    def refused_until_limited(self, headers: list[Headers]) -> int:
        """How many unauthenticated requests there are before the first that is 429."""
        for number, each in enumerate(headers):
            if self.client.send("GET", "/auth/whoami", each).status == 429:
                return number
        return len(headers)


#: Where the proxy is; the machine has all of 127.0.0.0/8.
PROXY = "127.0.0.2"


pytestmark = pytest.mark.server(
    HOOKSTREAM_RATE_LIMIT="120", HOOKSTREAM_TRUSTED_PROXIES=f"{PROXY},10.0.0.0/8"
)


@pytest.fixture(scope="module")
def direct(server: Server) -> Iterator[Dependencies]:
    """For a client that connects directly."""
    with closing(Client(server)) as client:
        yield Dependencies(server, server.database.tenant, client)


@pytest.fixture(scope="module")
def proxied(server: Server) -> Iterator[Dependencies]:
    """As the proxy sees it."""
    with closing(Client(server, PROXY)) as client:
        yield Dependencies(server, server.database.tenant, client)


def test_forwarding_headers_count_from_trusted_proxies_only(direct: Dependencies) -> None:
    assert direct.address({}) == "127.0.0.1"
    assert direct.address(LIES) == "127.0.0.1"
    assert direct.address(LIES | {"X-Forwarded-For": f"{LIE}, {PROXY}"}) == "127.0.0.1"
    assert not direct.is_secure(LIES)
    host, port = direct.server.address
    assert direct.changes_from(f"http://{host}:{port}", {}) == 201
    for origin in (f"https://{host}:{port}", "https://evil.example", "http://evil.example"):
        assert direct.changes_from(origin, LIES) == 403


def test_an_unauthenticated_client_is_limited_whatever_addresses_it_claims(
    direct: Dependencies,
) -> None:
    # A refused credential counts for ten: of 120 a minute, twelve or so pass.
    tries = [
        {"X-API-Key": "x", "X-Forwarded-For": f"192.0.2.{number}", "X-Real-IP": f"::{number}"}
        for number in range(60)
    ]
    assert direct.refused_until_limited(tries) < 30


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (CLIENT, CLIENT),
        (f"{CLIENT}:51234", CLIENT),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]:51234", "2001:db8::7"),
        (f"::ffff:{CLIENT}", CLIENT),
        (f"{CLIENT}, ::ffff:10.1.2.3", CLIENT),
        # What the client itself wrote in front is ignored.
        (f"{LIE}, {CLIENT}", CLIENT),
        (f"{PROXY}, {CLIENT}", CLIENT),
        (f"{LIE},{CLIENT}, 10.1.2.3", CLIENT),
        (f"x, , {CLIENT}", CLIENT),
        # An invalid address is recorded as none, not as a text of the client's choice.
        ("unknown", None),
        ("_hidden", None),
        ("<script>", None),
        ("x" * 5000, None),
        (f"{CLIENT}/24", None),
        ("127.1", None),
        # Without the header it is the proxy's.
        ("", PROXY),
    ],
)
def test_of_a_trusted_proxy_the_last_that_is_no_proxy_is_the_client(
    proxied: Dependencies, said: str, expected: str | None
) -> None:
    assert proxied.address(OTHER_LIES | {"X-Forwarded-For": said}) == expected


def test_unauthenticated_clients_behind_a_proxy_are_limited_by_forwarded_address(
    proxied: Dependencies,
) -> None:
    def tries(address: str) -> list[Headers]:
        return [
            {"X-API-Key": "x", "X-Forwarded-For": f"192.0.2.{number}, {address}"} | OTHER_LIES
            for number in range(60)
        ]

    assert proxied.refused_until_limited(tries("203.0.113.50")) < 30
    assert proxied.refused_until_limited(tries("203.0.113.51")[:5]) == 5
    assert proxied.refused_until_limited(tries("203.0.113.50")[:5]) == 0
    # Clients without a known address share one limit.
    unknown = [{"X-API-Key": "x", "X-Forwarded-For": f"x{number}"} for number in range(60)]
    assert proxied.refused_until_limited(unknown) < 30


def test_x_forwarded_proto_is_accepted_from_trusted_proxies(proxied: Dependencies) -> None:
    assert proxied.is_secure({"X-Forwarded-Proto": "https"})
    for proto in ("http", "HTTPS", "https, http", "ftp", "wss", ""):
        assert not proxied.is_secure({"X-Forwarded-Proto": proto} | OTHER_LIES), proto
    host, port = proxied.server.address
    https = {"X-Forwarded-Proto": "https"}
    assert proxied.changes_from(f"https://{host}:{port}", https) == 201
    assert proxied.changes_from(f"http://{host}:{port}", https) == 403
    assert proxied.changes_from("https://evil.example", https | OTHER_LIES) == 403


def test_x_forwarded_proto_of_two_proxies_is_the_outer_ones(proxied: Dependencies) -> None:
    lists = {"X-Forwarded-Proto": "https, http", "X-Forwarded-For": f"{CLIENT}, 10.1.2.3"}
    assert proxied.is_secure(lists)
    assert not proxied.is_secure(lists | {"X-Forwarded-For": f"10.1.2.3, {CLIENT}"})
    origin = {"Host": "keys.example.com:443"}
    for proto in ("https, http", "https,http"):
        each = lists | origin | {"X-Forwarded-Proto": proto}
        assert proxied.changes_from("https://keys.example.com", each) == 201


def test_x_forwarded_prefix_is_accepted_from_trusted_proxies_only(
    proxied: Dependencies, direct: Dependencies
) -> None:
    def servers(of: Dependencies, prefix: str) -> list[str]:
        answer = of.client.send("GET", "/openapi.json", {"X-Forwarded-Prefix": prefix})
        document = answer.json()
        return [each["url"] for each in document["servers"]]

    assert servers(proxied, "/keys") == ["/keys/v1", "/v1"]
    assert servers(proxied, "/evil, /keys") == ["/keys/v1", "/v1"]
    assert servers(proxied, "//evil.example") == ["/v1"]
    assert servers(direct, "/keys") == ["/v1"]
    for told, location in ((proxied, "/keys/v1/reference"), (direct, "/v1/reference")):
        answer = told.client.send("GET", "/", {"X-Forwarded-Prefix": "/keys"})
        assert answer.headers["location"] == location


def test_a_key_with_allowed_ips_is_invalid_elsewhere(proxied: Dependencies) -> None:
    tenant = proxied.tenant
    body = {
        "name": "n",
        "org_id": tenant.org_id,
        "env_id": tenant.env_id,
        "allowed_ips": [f"{CLIENT}/32"],
    }
    key = proxied.client.send_json("POST", "/auth/api-keys", {"X-API-Key": tenant.key}, body)
    headers = {"X-API-Key": key.json()["key"]}
    for said, status in (
        (CLIENT, 200),
        (f"{LIE}, {CLIENT}", 200),
        (f"::ffff:{CLIENT}", 200),
        (f"{CLIENT}, {LIE}", 401),
        ("unknown", 401),
        (f"{CLIENT}.", 401),
    ):
        answer = proxied.client.send("GET", "/auth/whoami", headers | {"X-Forwarded-For": said})
        assert (answer.status == 200) is (status == 200), said


def test_no_proxy_is_trusted_by_mistake(database: Database) -> None:
    answer = run("serve", "--port", "0", database=database.path, HOOKSTREAM_TRUSTED_PROXIES="*")
    assert answer.returncode == 1
    assert "HOOKSTREAM_TRUSTED_PROXIES" in answer.stderr
    assert answer.stderr.count("\n") == 1
