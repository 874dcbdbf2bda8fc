"""Where a request ends: each sequence of bytes is so many requests, or refused, and never more.

What two servers in a row could see differently is refused, and the connection closed.
"""

import json

import pytest
from security.wire import HOST, LAST, ask, statuses
from support import Server, Tenant

START = b"POST /v1/auth/api-keys HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
#: What each is answered: a key, and that the connection goes on.
CREATED, REFUSED, REFUSED_AND_GOES_ON = [201, 200], [400], [400, 200]

# `%N` is the body's length, `%B` the body, `%X` the length in hexadecimal, `%C` the body in chunks.
BODIES: dict[str, tuple[bytes, list[int]]] = {
    # Valid ones, or the others prove nothing.
    "a length": (b"Content-Length: %N\r\n\r\n%B", CREATED),
    "chunks": (CHUNKED + b"\r\n%C", CREATED),
    "chunks, in any letters": (b"transfer-ENCODING: chunKED\r\n\r\n%C", CREATED),
    "white space around a value": (b"Content-Length: \t%N \t\r\n\r\n%B", CREATED),
    "zeros before a length": (b"Content-Length: 000%N\r\n\r\n%B", CREATED),
    "a chunk's extension": (CHUNKED + b"\r\n%X;a=b\r\n%B\r\n0\r\n\r\n", CREATED),
    # Both.
    "a length, then chunks": (b"Content-Length: %N\r\n" + CHUNKED + b"\r\n%C", REFUSED),
    "chunks, then a length": (CHUNKED + b"Content-Length: %N\r\n\r\n%C", REFUSED),
    "length 0, then chunks": (b"Content-Length: 0\r\n" + CHUNKED + b"\r\n%C", REFUSED),
    # A length that is none, or several.
    "two lengths": (b"Content-Length: %N\r\nContent-Length: 0\r\n\r\n%B", REFUSED),
    "one length twice": (b"Content-Length: %N\r\nContent-Length: %N\r\n\r\n%B", REFUSED),
    "a list of lengths": (b"Content-Length: %N, %N\r\n\r\n%B", REFUSED),
    "a plus": (b"Content-Length: +%N\r\n\r\n%B", REFUSED),
    "a minus": (b"Content-Length: -%N\r\n\r\n%B", REFUSED),
    "a space between digits": (b"Content-Length: 1 0\r\n\r\n%B", REFUSED),
    "hexadecimal": (b"Content-Length: 0x%X\r\n\r\n%B", REFUSED),
    "a fraction": (b"Content-Length: %N.0\r\n\r\n%B", REFUSED),
    "no digits": (b"Content-Length: \r\n\r\n%B", REFUSED),
    "more than 64 bits": (b"Content-Length: 18446744073709551617\r\n\r\n%B", REFUSED),
    "a space before the colon": (b"Content-Length : %N\r\n\r\n%B", REFUSED),
    # Chunks that are said otherwise.
    "another coding": (b"Transfer-Encoding: xchunked\r\n\r\n%C", REFUSED),
    "chunked, then another": (b"Transfer-Encoding: chunked, identity\r\n\r\n%C", REFUSED),
    "identity": (b"Transfer-Encoding: identity\r\n\r\n%C", REFUSED),
    "chunked is not all": (b"Transfer-Encoding: gzip, chunked\r\n\r\n%C", REFUSED_AND_GOES_ON),
    "chunked twice": (CHUNKED + CHUNKED + b"\r\n%C", REFUSED),
    "two fields": (CHUNKED + b"Transfer-Encoding: identity\r\n\r\n%C", REFUSED),
    "a vertical tab": (b"Transfer-Encoding:\x0bchunked\r\n\r\n%C", REFUSED),
    "a zero byte": (b"Transfer-Encoding: chunked\0\r\n\r\n%C", REFUSED),
    "quotes": (b'Transfer-Encoding: "chunked"\r\n\r\n%C', REFUSED),
    "a parameter": (b"Transfer-Encoding: chunked;a=b\r\n\r\n%C", REFUSED),
    "a space before chunks' colon": (b"Transfer-Encoding : chunked\r\n\r\n%C", REFUSED),
    "a space before chunks' name": (b" Transfer-Encoding: chunked\r\n\r\n%C", REFUSED),
    "a folded line": (b"Transfer-Encoding:\r\n chunked\r\n\r\n%C", REFUSED),
    "folded into another": (b"X: y\r\n Transfer-Encoding: chunked\r\n\r\n%C", REFUSED),
    # Line ends that are none.
    "a bare LF before a field": (b"X: y\n" + CHUNKED + b"\r\n%C", REFUSED),
    "a bare CR before a field": (b"X: y\r" + CHUNKED + b"\r\n%C", REFUSED),
    "a bare LF after the header": (b"Content-Length: %N\r\n\n%B", REFUSED),
    "a bare LF after a size": (CHUNKED + b"\r\n%X\n%B\r\n0\r\n\r\n", REFUSED),
    "a bare LF after an extension": (CHUNKED + b"\r\n%X;a\n%B\r\n0\r\n\r\n", REFUSED),
    "a bare LF after a chunk": (CHUNKED + b"\r\n%X\r\n%B\n0\r\n\r\n", REFUSED),
    "no line end after a chunk": (CHUNKED + b"\r\n%X\r\n%B0\r\n\r\n", REFUSED),
    # Sizes that are none.
    "a size with 0x": (CHUNKED + b"\r\n0x%X\r\n%B\r\n0\r\n\r\n", REFUSED),
    "a size with a minus": (CHUNKED + b"\r\n-%X\r\n%B\r\n0\r\n\r\n", REFUSED),
    "a size with a space": (CHUNKED + b"\r\n%X \r\n%B\r\n0\r\n\r\n", REFUSED),
    "a size of more than 64 bits": (
        CHUNKED + b"\r\n" + b"f" * 17 + b"\r\n%B\r\n0\r\n\r\n",
        REFUSED,
    ),
    "a size of nothing": (CHUNKED + b"\r\n\r\n%B\r\n0\r\n\r\n", REFUSED),
    # Another protocol is asked for: the request is read all the same, with its body, as the last.
    "h2c and a length": (
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
        b"Content-Length: %N\r\n\r\n%B",
        [201],
    ),
    "h2c and chunks": (b"Connection: Upgrade\r\nUpgrade: h2c\r\n" + CHUNKED + b"\r\n%C", [201]),
    "a WebSocket": (
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: %N\r\n\r\n%B",
        [201],
    ),
    "h2c and both": (
        b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: %N\r\n" + CHUNKED + b"\r\n%C",
        REFUSED,
    ),
    # A body that waits to be asked for is never taken for a request.
    "100-continue": (b"Expect: 100-continue\r\nContent-Length: %N\r\n\r\n%B", [100, 201]),
    "100-continue, obscured": (
        b"Expect: y 100-continue\r\nContent-Length: %N\r\n\r\n%B",
        CREATED,
    ),
}


def body(tenant: Tenant) -> bytes:
    return json.dumps({"name": "n", "org_id": tenant.org_id, "env_id": tenant.env_id}).encode()


def request(tenant: Tenant, rest: bytes, start: bytes = START) -> bytes:
    """A request to create a key, whose header and body go on with `rest`."""
    text = body(tenant)
    size = b"%x" % len(text)
    chunks = size + b"\r\n" + text + b"\r\n0\r\n\r\n"
    for mark, value in ((b"%N", b"%d" % len(text)), (b"%B", text), (b"%X", size), (b"%C", chunks)):
        rest = rest.replace(mark, value)
    return start + b"X-API-Key: " + tenant.key.encode() + b"\r\n" + rest


VALID = b"Content-Length: %N\r\n\r\n%B"


@pytest.mark.parametrize("name", BODIES)
def test_a_body_ends_where_its_header_says_or_is_refused(
    server: Server, tenant: Tenant, name: str
) -> None:
    rest, expected = BODIES[name]
    before = server.database.count("api_key")
    assert statuses(ask(server, request(tenant, rest) + LAST)) == expected
    assert server.database.count("api_key") - before == expected.count(201)


@pytest.mark.parametrize("name", [name for name in BODIES if BODIES[name][1] == REFUSED])
def test_nothing_behind_what_is_refused_is_read(server: Server, tenant: Tenant, name: str) -> None:
    rest, _ = BODIES[name]
    before = server.database.count("api_key")
    hidden = request(tenant, VALID)
    assert statuses(ask(server, request(tenant, rest) + hidden + hidden)) == [400]
    assert server.database.count("api_key") == before


def test_chunks_are_not_for_http_1_0(server: Server, tenant: Tenant) -> None:
    old = START.replace(b"HTTP/1.1", b"HTTP/1.0")
    before = server.database.count("api_key")
    assert statuses(ask(server, request(tenant, CHUNKED + b"\r\n%C", old) + LAST)) == [400]
    assert server.database.count("api_key") == before
    assert statuses(ask(server, request(tenant, VALID, old) + LAST)) == [201]


@pytest.mark.parametrize("method", [b"GET", b"OPTIONS", b"HEAD", b"DELETE", b"CONNECT"])
@pytest.mark.parametrize("path", [b"/v1/health", b"/v1/nope"])
def test_an_unexpected_body_is_not_a_request(server: Server, method: bytes, path: bytes) -> None:
    inner = b"PATCH /v1/health HTTP/1.1\r\nHost: t\r\n\r\n"
    head = b"%s %s HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n" % (method, path, len(inner))
    log = server.log.read_text(encoding="utf-8").count("method=PATCH")
    data = server.raw(head + inner + LAST)
    assert data.count(b"HTTP/1.1 ") == (1 if method == b"CONNECT" else 2)
    assert server.log.read_text(encoding="utf-8").count("method=PATCH") == log


def test_requests_in_one_piece_are_answered_each_once_and_in_their_order(
    server: Server, tenant: Tenant
) -> None:
    before = server.database.count("api_key")
    get = b"GET /v1/nope HTTP/1.1\r\nHost: t\r\n\r\n"
    found = ask(server, (request(tenant, VALID) + get) * 20 + LAST)
    assert statuses(found) == [201, 404] * 20 + [200]
    assert server.database.count("api_key") == before + 20


def test_after_the_last_request_of_a_connection_nothing_is_read(
    server: Server, tenant: Tenant
) -> None:
    before = server.database.count("api_key")
    assert statuses(ask(server, LAST + request(tenant, VALID))) == [200]
    assert server.database.count("api_key") == before


@pytest.mark.parametrize(
    "broken", [b"garbage\r\n\r\n", START + CHUNKED + b"\r\nzz\r\n", START + b" x: y\r\n\r\n"]
)
@pytest.mark.parametrize("valid", [1, 3])
def test_malformed_requests_are_rejected_in_order(
    server: Server, tenant: Tenant, broken: bytes, valid: int
) -> None:
    # The refusal must not be taken for the answer to what came before.
    before = server.database.count("api_key")
    found = ask(server, request(tenant, VALID) * valid + broken + request(tenant, VALID))
    assert statuses(found) == [201] * valid + [400]
    assert server.database.count("api_key") == before + valid


def test_a_body_that_is_not_read_is_not_a_request(server: Server) -> None:
    # The client may leave the body out once it is refused, or not; either is no request.
    head = (
        b"POST /v1/nope HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 99\r\n\r\n"
    )
    assert statuses(ask(server, head + LAST)) == [404]
