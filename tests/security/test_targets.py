"""Request lines, hosts and header fields that two servers could read differently."""

import pytest
from security.wire import HOST, LAST, ask, statuses
from support import Server, Tenant

#: Rejected and closed; rejected and kept open; answered and kept open.
CLOSED, REFUSED, FOUND, NOT_FOUND = [400], [400, 200], [200, 200], [404, 200]

GET = b"GET /v1/health HTTP/1.1\r\n"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        # Absolute-form is HTTP as well; the scheme and the host in it add no trust.
        (b"GET http://t/v1/health HTTP/1.1", FOUND),
        (b"GET https://t/v1/health HTTP/1.1", FOUND),
        (b"GET http://t HTTP/1.1", CLOSED),
        (b"GET file:///v1/health HTTP/1.1", CLOSED),
        (b"GET //t/v1/health HTTP/1.1", NOT_FOUND),
        # Asterisk-form, authority-form.
        (b"OPTIONS * HTTP/1.1", NOT_FOUND),
        (b"GET * HTTP/1.1", NOT_FOUND),
        (b"CONNECT t:80 HTTP/1.1", CLOSED),
        (b"CONNECT 127.0.0.1:22 HTTP/1.1", CLOSED),
        (b"CONNECT /v1/health HTTP/1.1", [405]),
        # Other versions.
        (b"GET /v1/health HTTP/0.9", CLOSED),
        (b"GET /v1/health HTTP/1.2", CLOSED),
        (b"GET /v1/health HTTP/2.0", CLOSED),
        (b"GET /v1/health HTTP/1.10", CLOSED),
        (b"GET /v1/health http/1.1", CLOSED),
        (b"GET /v1/health", CLOSED),
        (b"PRI * HTTP/2.0", CLOSED),
        # Other separators.
        (b"GET\t/v1/health\tHTTP/1.1", CLOSED),
        (b"GET /v1/health x HTTP/1.1", CLOSED),
        (b"GET /v1/hea lth HTTP/1.1", CLOSED),
        (b" GET /v1/health HTTP/1.1", CLOSED),
        (b"GET /v1/health\0 HTTP/1.1", CLOSED),
        (b"GET /v1/health\x7f HTTP/1.1", CLOSED),
        (b"GET /v1/health\xc2\xa0 HTTP/1.1", CLOSED),
        # Other methods.
        (b"get /v1/health HTTP/1.1", CLOSED),
        (b"G\0T /v1/health HTTP/1.1", CLOSED),
        (b"TRACE /v1/health HTTP/1.1", [405, 200]),
        (b"TRACK /v1/health HTTP/1.1", CLOSED),
    ],
    ids=repr,
)
def test_a_request_line_is_read_in_one_way(
    server: Server, line: bytes, expected: list[int]
) -> None:
    assert statuses(ask(server, line + b"\r\n" + HOST + b"\r\n" + LAST)) == expected


def test_a_request_of_http_1_0_is_the_only_one(server: Server) -> None:
    assert statuses(ask(server, b"GET /v1/health HTTP/1.0\r\n\r\n" + LAST)) == [200]
    kept = b"GET /v1/health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    assert statuses(ask(server, kept + LAST)) == [200]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (b"", REFUSED),
        (b"Host:\r\n", REFUSED),
        (b"Host: t\r\nHost: t\r\n", REFUSED),
        (b"Host: t\r\nHost: evil.example\r\n", REFUSED),
        (b"Host: t, evil.example\r\n", REFUSED),
        (b"Host: t evil.example\r\n", REFUSED),
        (b"Host: t/v1\r\n", REFUSED),
        (b"Host: user@t\r\n", REFUSED),
        (b"Host: t:80:80\r\n", REFUSED),
        (b"Host: t:port\r\n", REFUSED),
        (b"Host: [::1\r\n", REFUSED),
        (b"Host: t?x\r\n", REFUSED),
        (b"Host: t#x\r\n", REFUSED),
        (b'Host: "t"\r\n', REFUSED),
        (b"Host: \xff\r\n", REFUSED),
        (b"Host : t\r\n", CLOSED),
        (b"Host: t\0\r\n", CLOSED),
        (b"Host: t\r\n", FOUND),
        (b"hOST: keys.example.com:8443\r\n", FOUND),
        (b"Host: [2001:db8::1]:8080\r\n", FOUND),
        (b"Host: 127.0.0.1\r\n", FOUND),
    ],
    ids=repr,
)
def test_a_request_has_one_host(server: Server, fields: bytes, expected: list[int]) -> None:
    assert statuses(ask(server, GET + fields + b"\r\n" + LAST)) == expected


@pytest.mark.parametrize(
    "field",
    [
        b"X: a\0b",
        b"X: a\x01b",
        b"X: a\x7fb",
        b"X: a\rb",
        b"X\0: a",
        b"X y: a",
        b"X(y): a",
        b"\xff: a",
        b": a",
        b"no colon",
    ],
    ids=repr,
)
def test_a_field_with_a_control_character_is_refused(server: Server, field: bytes) -> None:
    assert statuses(ask(server, GET + HOST + field + b"\r\n\r\n" + LAST)) == CLOSED


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        # The same address, written otherwise: RFC 3986 has no other for it.
        (b"/v1/healt%68", 200),
        (b"/v1/health?", 200),
        (b"/v1/health#fragment", 200),
        # An encoded slash separates nothing.
        (b"/v1%2fhealth", 404),
        (b"/v1/auth%2Fapi-keys", 404),
        (b"/v1/auth/api-keys%2f%ID", 404),
        (b"/v1/auth/api-keys/%ID%2Frotations", 404),
        (b"/v1/auth/api-keys/x%2F..%2F%ID", 404),
        (b"/v1/auth/api-keys/%252f%ID", 400),
        (b"/v1%5chealth", 404),
        (b"/v1\\health", 404),
        # Dots are names.
        (b"/v1/./health", 404),
        (b"/v1/../v1/health", 404),
        (b"/v1/%2e%2e/v1/health", 404),
        (b"/v1/auth/api-keys/%2e%2e", 400),
        (b"/v1/auth/api-keys/..;/%ID", 404),
        (b"/v1/auth/api-keys/%ID;a=b", 400),
        (b"/v1/auth/api-keys/%ID/.", 404),
        (b"/v1/ui/..%5c..%5copenapi.yaml", 400),
        (b"/v1/ui/%2e%2e", 400),
        # Control characters, and what is no UTF-8.
        (b"/v1/health%00", 404),
        (b"/v1/auth/api-keys/%ID%00", 400),
        (b"/v1/auth/api-keys/%ID%0d%0aX-Injected:%20y", 400),
        (b"/v1/auth/api-keys/%ID%0a", 400),
        (b"/v1/auth/api-keys/%7f", 400),
        (b"/v1/auth/api-keys/%c0%af", 400),
        (b"/v1/auth/api-keys/%ff", 400),
        (b"/v1/auth/api-keys/%", 400),
        (b"/v1/auth/api-keys/%zz", 400),
        # In another case, or with more of it.
        (b"/V1/health", 404),
        (b"/v1/Health", 404),
        (b"//v1/health", 404),
        (b"/v1/health/", 404),
        (b"/v1/health%20", 404),
    ],
    ids=repr,
)
def test_a_path_is_one_path(server: Server, tenant: Tenant, path: bytes, expected: int) -> None:
    key_id = server.database.execute("select id from api_key")[0][0].encode()
    head = b"GET " + path.replace(b"%ID", key_id) + b" HTTP/1.1\r\n" + HOST
    head += b"X-API-Key: " + tenant.key.encode() + b"\r\n\r\n"
    found = ask(server, head + LAST)
    assert statuses(found) == [expected, 200]
    assert "x-injected" not in found[0].headers


def test_the_key_is_found_by_its_own_path(server: Server, tenant: Tenant) -> None:
    # Or the addresses above would prove nothing.
    key_id = server.database.execute("select id from api_key")[0][0].encode()
    head = b"GET /v1/auth/api-keys/" + key_id + b" HTTP/1.1\r\n" + HOST
    found = ask(server, head + b"X-API-Key: " + tenant.key.encode() + b"\r\n\r\n" + LAST)
    assert statuses(found) == [200, 200]


def test_line_ends_before_a_request_are_left_out(server: Server) -> None:
    assert statuses(ask(server, b"\r\n\r\n" + LAST)) == [200]


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x00\x00\x00\x04\x00\x00\x00\x00\x00",  # frames of HTTP/2
        b"SSH-2.0-x\r\n",
        b"\xff" * 1000,
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
    ],
    ids=repr,
)
def test_another_protocol_is_refused(server: Server, data: bytes) -> None:
    assert statuses(ask(server, data + LAST)) == [400]
