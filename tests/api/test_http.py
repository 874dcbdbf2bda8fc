"""Requests as bytes, and what must come back: what fuzzing a well-behaved client never sends.

Each row was wrong in Connexion or uvicorn as shipped, or could be.
"""

import gzip
import json
import re
import socket
import sqlite3
import struct
import time
from contextlib import closing
from typing import Any

import pytest
from support import SOON, Server, Tenant, until

from hookstream_keys.server.protocol import MAX_PIPELINED

PATH = b"/v1/auth/api-keys"
JSON = b"Content-Type: application/json\r\n"
NESTED = 100_000


def request(
    server: Server,
    tenant: Tenant | None,
    *,
    method: bytes = b"POST",
    path: bytes = PATH,
    headers: bytes = JSON,
    body: bytes | None = None,
) -> bytes:
    length = b"" if body is None else b"Content-Length: %d\r\n" % len(body)
    key = b"" if tenant is None else b"X-API-Key: " + tenant.key.encode() + b"\r\n"
    return server.raw(
        method + b" " + path + b" HTTP/1.1\r\nHost: t\r\nConnection: close\r\n"
        + key + headers + length + b"\r\n" + (body or b"")
    )  # fmt: skip


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def header(answer: bytes, name: bytes) -> bytes | None:
    found = re.search(rb"\r\n" + name + rb": ([^\r]*)\r\n", answer, re.IGNORECASE)
    return found[1] if found else None


def assert_shape(answer: bytes, expected: int) -> dict[str, Any]:
    assert status(answer) == expected, answer[:500]
    assert header(answer, b"content-type") == b"application/json"
    body: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert body["status"] == expected
    request_id = header(answer, b"x-request-id")
    assert request_id is not None
    assert body["request_id"] == request_id.decode()
    assert re.fullmatch(r"req_[0-9a-f]{32}", body["request_id"])
    assert len(answer) < 4000
    return body


def valid(tenant: Tenant, name: str = "n") -> bytes:
    return json.dumps({"name": name, "org_id": tenant.org_id, "env_id": tenant.env_id}).encode()


# What the body is


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b'{"name": }',
        b"null",
        b"[]",
        b'"x"',
        b"7",
        b"\xef\xbb\xbf{}",
        b'{"name": "\xff"}',
        b'{"name": "\xed\xa0\x80"}',
        b'{"name": "\\ud800"}',
        b'{"name": "a\\u0000b"}',
        b'{"name": "a\x00b"}',
        b'{"name": NaN}',
        b'{"name": Infinity}',
        b'{"name": 1e400}',
        b'{"name": ' + b"9" * 5000 + b"}",
        b'{"name": ' + b"[" * 33 + b"]" * 33 + b"}",
        b'{"name": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b"name=x&org_id=y",
    ],
    ids=lambda body: repr(body[:24]),
)
def test_400_to_an_invalid_body(server: Server, tenant: Tenant, body: bytes) -> None:
    before = server.database.count("api_key")
    error = assert_shape(request(server, tenant, body=body), 400)
    assert error["details"][0]["location"].startswith("body")
    assert server.database.count("api_key") == before


def test_400_without_a_body(server: Server, tenant: Tenant) -> None:
    error = assert_shape(request(server, tenant, headers=b""), 400)
    assert error["details"] == [{"location": "body", "message": "a body is required"}]


def test_201_the_last_of_two_members_of_one_name_counts_and_is_the_one_validated(
    server: Server, tenant: Tenant
) -> None:
    text = valid(tenant)[:-1]
    answer = request(server, tenant, body=text + b', "name": "last"}')
    assert status(answer) == 201
    assert b'"name":"last"' in answer
    assert_shape(request(server, tenant, body=text + b', "name": ""}'), 400)


# How the header is written


@pytest.mark.parametrize("end", [b"", b" ", b"\t", b" \t  "])
@pytest.mark.parametrize("begin", [b"", b" ", b"\t "])
def test_white_space_around_a_field_is_no_part_of_its_value(
    server: Server, tenant: Tenant, begin: bytes, end: bytes
) -> None:
    key = tenant.key.encode()
    for credential in (b"X-API-Key:%s%s%s", b"Authorization:%sBearer %s%s"):
        sent = credential % (begin, key, end) + b"\r\n"
        idempotent = sent + b"Idempotency-Key:%sone-request-0001%s\r\n" % (begin, end)
        json_type = b"Content-Type:%sapplication/json%s\r\n" % (begin, end)
        answer = request(server, None, headers=idempotent + json_type, body=valid(tenant))
        assert status(answer) == 201, answer
        # The same key each time: every spelling is the same request.
        assert header(answer, b"idempotency-replayed") in (None, b"true")
    expected = b"Host:%st%s\r\nExpect:%s100-continue%s\r\n" % (begin, end, begin, end)
    length = b"Content-Length: %d\r\n\r\n" % len(valid(tenant))
    head = b"POST %s HTTP/1.1\r\nX-API-Key: %s\r\nConnection: close\r\n" % (PATH, key)
    answer = server.raw(head + expected + JSON + length + valid(tenant))
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 ")


@pytest.mark.parametrize("space", [b"\xa0", b"\x0b", b"\x0c", b"\xe2\x80\x89"])
def test_no_other_character_is_white_space_of_a_field(
    server: Server, tenant: Tenant, space: bytes
) -> None:
    key = b"X-API-Key: " + tenant.key.encode() + space + b"\r\n"
    assert status(request(server, None, headers=JSON + key, body=valid(tenant))) in (400, 401)


# What the body is said to be


@pytest.mark.parametrize(
    "headers",
    [
        JSON,
        b"Content-Type: Application/JSON\r\n",
        b"Content-Type: application/json; charset=utf-8\r\n",
        b"Content-Type: application/json ; charset=UTF-8\r\n",
        b'Content-Type: application/json;charset="utf-8"\r\n',
        b"Content-Type: application/json; a=b/c\r\n",
    ],
)
def test_201_and_400_whatever_the_spelling_of_json(
    server: Server, tenant: Tenant, headers: bytes
) -> None:
    assert status(request(server, tenant, headers=headers, body=valid(tenant))) == 201
    assert_shape(request(server, tenant, headers=headers, body=b'{"evil": 1}'), 400)


@pytest.mark.parametrize(
    "headers",
    [
        b"",
        b"Content-Type: \r\n",
        b"Content-Type: foo\r\n",
        b"Content-Type: text/plain\r\n",
        b"Content-Type: application/*\r\n",
        b"Content-Type: application/jsonx\r\n",
        b"Content-Type: application/json\xff\r\n",
        b"Content-Type: application/x-www-form-urlencoded\r\n",
        b"Content-Type: multipart/form-data; boundary=x\r\n",
        b"Content-Type: application/json; charset=latin-1\r\n",
        b"Content-Type: application/json; charset=nope\r\n",
        b"Content-Type: application/json;charset=\r\n",
        JSON + JSON,
        JSON + b"Content-Type: text/plain\r\n",
    ],
)
def test_415_to_a_body_without_the_json_media_type(
    server: Server, tenant: Tenant, headers: bytes
) -> None:
    error = assert_shape(request(server, tenant, headers=headers, body=valid(tenant)), 415)
    assert error["details"][0]["location"] == "header/content-type"


@pytest.mark.parametrize(
    "coding", [b"gzip", b"br", b"GZIP", b"identity, gzip", b"gzip, identity", b"x", b""]
)
def test_415_to_a_body_with_a_content_coding(server: Server, tenant: Tenant, coding: bytes) -> None:
    before = server.database.count("api_key")
    for body in (gzip.compress(valid(tenant)), valid(tenant)):
        headers = JSON + b"Content-Encoding: " + coding + b"\r\n"
        answer = request(server, tenant, headers=headers, body=body)
        error = assert_shape(answer, 415)
        assert [each["location"] for each in error["details"]] == ["header/content-encoding"]
        assert header(answer, b"accept-encoding") == b"identity"
    assert server.database.count("api_key") == before


def test_415_to_a_second_content_coding(server: Server, tenant: Tenant) -> None:
    headers = JSON + b"Content-Encoding: identity\r\nContent-Encoding: gzip\r\n"
    assert_shape(request(server, tenant, headers=headers, body=valid(tenant)), 415)


def test_201_identity_is_no_content_coding(server: Server, tenant: Tenant) -> None:
    headers = JSON + b"Content-Encoding: Identity\r\n"
    assert status(request(server, tenant, headers=headers, body=valid(tenant))) == 201


def test_200_an_unexpected_body_is_not_read(server: Server) -> None:
    answer = request(server, None, method=b"GET", path=b"/v1/health", body=b"{{{")
    assert status(answer) == 200


# How large it is


@pytest.mark.parametrize("size", [70_000, 400_000, 3_000_000])
def test_413_to_a_large_body(server: Server, tenant: Tenant, size: int) -> None:
    body = b'{"name": "' + b"x" * size + b'"}'
    error = assert_shape(request(server, tenant, body=body), 413)
    assert error["code"] == "content_too_large"


def test_413_to_a_large_body_in_chunks(server: Server, tenant: Tenant) -> None:
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    answer = server.raw(
        b"POST " + PATH + b" HTTP/1.1\r\nHost: t\r\nConnection: close\r\n" + JSON
        + b"X-API-Key: " + tenant.key.encode() + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
        + chunk * 4 + b"0\r\n\r\n"
    )  # fmt: skip
    assert_shape(answer, 413)


@pytest.mark.parametrize("chunks", [1, 2, 7])
def test_413_to_a_large_body_whose_chunks_arrive_at_once(
    server: Server, tenant: Tenant, chunks: int
) -> None:
    """Nothing follows that the server could wait for."""
    part = b"x" * (70_000 // chunks)
    with socket.create_connection(server.address, timeout=5) as connection:
        connection.sendall(
            b"POST " + PATH + b" HTTP/1.1\r\nHost: t\r\n" + JSON
            + b"X-API-Key: " + tenant.key.encode() + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
            + (b"%x\r\n%s\r\n" % (len(part), part)) * chunks + b"0\r\n\r\n"
        )  # fmt: skip
        # The connection stays open: the response does not wait for its end.
        answer = connection.recv(65536)
    assert status(answer) == 413


def test_413_before_a_body_that_is_announced_too_large(server: Server, tenant: Tenant) -> None:
    answer = server.raw(
        b"POST " + PATH + b" HTTP/1.1\r\nHost: t\r\nConnection: close\r\n" + JSON
        + b"X-API-Key: " + tenant.key.encode() + b"\r\nContent-Length: 600000\r\n\r\n"
        + b"x" * 600_000
    )  # fmt: skip
    assert_shape(answer, 413)


@pytest.mark.parametrize("expect", [b"100-continue", b"100-Continue"])
def test_413_without_the_upload_to_a_client_that_asks_first(
    server: Server, tenant: Tenant, expect: bytes
) -> None:
    head = (
        b"POST " + PATH + b" HTTP/1.1\r\nHost: t\r\nX-API-Key: " + tenant.key.encode() + b"\r\n"
        + JSON + b"Expect: " + expect + b"\r\nContent-Length: %d\r\n\r\n"
    )  # fmt: skip
    started = time.monotonic()
    # Nothing of the body is sent, and the answer does not wait for it.
    answer = server.raw(head % 70_000)
    assert_shape(answer, 413)
    assert header(answer, b"connection") == b"close"
    assert time.monotonic() - started < SOON
    # A body within the limit is asked for.
    with socket.create_connection(server.address, timeout=5) as connection:
        connection.sendall(head % len(valid(tenant)))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(valid(tenant))
        assert connection.recv(100).startswith(b"HTTP/1.1 201 ")


def test_431_to_a_large_header(server: Server) -> None:
    for headers in (
        b"X-Padding: " + b"x" * 40_000 + b"\r\n",
        b"".join(b"X-%d: y\r\n" % number for number in range(5000)),
    ):
        answer = request(server, None, method=b"GET", path=b"/v1/health", headers=headers)
        assert assert_shape(answer, 431)["code"] == "header_fields_too_large"


def test_431_to_more_than_100_header_fields(server: Server) -> None:
    def ask(number: int, method: bytes = b"GET", headers: bytes = b"", end: bytes = b"") -> bytes:
        fields = b"".join(b"%d:\r\n" % each for each in range(number - 2))
        start = method + b" /v1/health HTTP/1.1\r\nHost: t\r\nConnection: close\r\n"
        return server.raw(start + headers + fields + b"\r\n" + end)

    assert status(ask(100)) == 200
    for answer in (
        ask(101),
        # Those of a trailer count.
        ask(99, headers=b"Transfer-Encoding: chunked\r\n", end=b"0\r\na: b\r\n\r\n"),
    ):
        error = assert_shape(answer, 431)
        assert error["code"] == "header_fields_too_large"
        assert error["error"] == "The request's header has more than 100 fields."


def test_400_to_more_than_100_parameters(server: Server) -> None:
    answer = request(server, None, method=b"GET", path=b"/v1/health?" + b"a=&" * 101)
    assert assert_shape(answer, 400)["details"] == [
        {"location": "query", "message": "has more than 100 parameters"}
    ]


def test_a_connection_ends_with_the_last_of_many_pipelined_requests(server: Server) -> None:
    answer = server.raw(b"GET /v1/health HTTP/1.1\r\nHost: t\r\n\r\n" * 200)
    heads = answer.split(b"HTTP/1.1 ")[1:]
    assert {head[:3] for head in heads} == {b"200"}
    # One that is answered, and those that wait for it.
    assert len(heads) == 1 + MAX_PIPELINED
    assert [b"connection: close" in head for head in heads] == [False] * MAX_PIPELINED + [True]


def test_431_to_a_header_that_never_ends(server: Server) -> None:
    answer = server.raw(b"GET /v1/health HTTP/1.1\r\nHost: t\r\nX-Padding: " + b"x" * 600_000)
    # The unread rest may reset the connection, but the server never waits for it.
    assert answer == b"" or status(answer) == 431


def test_414_to_a_long_address(server: Server) -> None:
    for length in (8_200, 40_000):
        answer = request(server, None, method=b"GET", path=b"/v1/health?" + b"x" * length)
        assert assert_shape(answer, 414)["code"] == "uri_too_long"
    # Of 8000 bytes it is decoded, and not known.
    answer = request(server, None, method=b"GET", path=b"/v1/" + b"x" * 7_996)
    assert status(answer) == 404


def test_200_to_a_header_within_the_limit(server: Server) -> None:
    headers = b"X-Padding: " + b"x" * 20_000 + b"\r\n"
    assert status(request(server, None, method=b"GET", path=b"/v1/health", headers=headers)) == 200


# Where it goes


@pytest.mark.parametrize(
    "path",
    [
        b"/v1",
        b"/nope",
        b"/v1/nope",
        b"/v1/auth/api-keys/",
        b"//v1/auth/api-keys",
        b"/v1//auth/api-keys",
        b"/v1/auth%2Fapi-keys/x/y",
        b"/v1/auth/api-keys%0A",
        b"/v1/auth/api-keys%00",
        b"/V1/auth/api-keys",
        b"/v1/auth/api-keys/../api-keys",
        b"/v1/health/",
        b"/v1/ui/a/b",
        b"/v1/ui/%2e%2e%2fopenapi.yaml",
        b"/static/x.txt",
        b"/openapi.json",
        b"/v1/swagger.json",
        b"/v1/%FF",
        b"/auth/api-keys",
    ],
)
def test_404_to_an_unknown_path(server: Server, tenant: Tenant, path: bytes) -> None:
    for method in (b"GET", b"POST"):
        error = assert_shape(request(server, tenant, method=method, path=path, headers=b""), 404)
        assert error["code"] == "not_found"


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        (PATH, b"GET, HEAD, OPTIONS, POST"),
        (PATH + b"/revoke", b"OPTIONS, POST"),
        (PATH + b"/ak_1", b"DELETE, GET, HEAD, OPTIONS, PATCH"),
        (b"/v1/health", b"GET, HEAD, OPTIONS"),
        (b"/v1/openapi.json", b"GET, HEAD, OPTIONS"),
        (b"/v1/ui/x", b"GET, HEAD, OPTIONS"),
    ],
)
def test_405_names_the_methods(server: Server, path: bytes, allow: bytes) -> None:
    for method in (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"TRACE", b"PROPFIND"):
        if method in allow.split(b", "):
            continue
        answer = request(server, None, method=method, path=path, headers=b"")
        assert status(answer) == 405, method
        assert header(answer, b"allow") == allow
        if method != b"HEAD":
            assert assert_shape(answer, 405)["code"] == "method_not_allowed"


def test_204_to_options(server: Server) -> None:
    answer = request(server, None, method=b"OPTIONS", headers=b"")
    assert status(answer) == 204
    assert header(answer, b"allow") == b"GET, HEAD, OPTIONS, POST"
    assert header(answer, b"x-request-id") is not None


def test_head_is_get_without_the_content(server: Server) -> None:
    get = request(server, None, method=b"GET", path=b"/v1/openapi.json", headers=b"")
    head = request(server, None, method=b"HEAD", path=b"/v1/openapi.json", headers=b"")
    assert status(head) == 200
    assert head.partition(b"\r\n\r\n")[2] == b""
    assert header(head, b"content-length") == header(get, b"content-length")
    assert header(head, b"content-type") == header(get, b"content-type")


def test_a_connection_goes_on_after_head(server: Server) -> None:
    paths = (b"/v1/health", b"/v1/openapi.json", b"/v1/ui/", b"/v1/nope", b"/v1/auth/api-keys")
    heads = b"".join(b"HEAD " + path + b" HTTP/1.1\r\nHost: t\r\n\r\n" for path in paths)
    last = b"GET /v1/health HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"
    answer = server.raw(heads + last)
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200"] * 3 + [b"404", b"401", b"200"]
    assert " ERROR " not in server.log.read_text(encoding="utf-8")


# What is not even HTTP


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"FOO /v1/health HTTP/1.1\r\nHost: t\r\n\r\n",
        b"GET /v1/health HTTP/9.9\r\nHost: t\r\n\r\n",
        b"GET /v1/\xff\xfe HTTP/1.1\r\nHost: t\r\n\r\n",
        b"GET /v1/health HTTP/1.1\r\nHost : t\r\n\r\n",
        b"GET /v1/health HTTP/1.1\r\nHost: t\r\n folded: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/auth/api-keys HTTP/1.1\r\nHost: t\r\nContent-Length: 1_0\r\n\r\n",
        b"POST /v1/auth/api-keys HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n"
        b"Content-Length: 6\r\n\r\n",
        b"POST /v1/auth/api-keys HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/auth/api-keys HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=lambda data: repr(data[:40]),
)
def test_400_to_what_is_not_http(server: Server, data: bytes) -> None:
    assert assert_shape(server.raw(data), 400)["code"] == "bad_request"


def test_a_trailer_field_is_no_header(server: Server, tenant: Tenant) -> None:
    body = valid(tenant)
    answer = server.raw(
        b"POST " + PATH + b" HTTP/1.1\r\nHost: t\r\nConnection: close\r\n" + JSON
        + b"Transfer-Encoding: chunked\r\nTrailer: X-API-Key\r\n\r\n"
        + b"%x\r\n%s\r\n0\r\nX-API-Key: %s\r\n\r\n" % (len(body), body, tenant.key.encode())
    )  # fmt: skip
    assert_shape(answer, 401)


def test_several_requests_on_one_connection_each_have_the_whole_limit(server: Server) -> None:
    one = b"GET /v1/health HTTP/1.1\r\nHost: t\r\nX-Padding: " + b"x" * 20_000 + b"\r\n\r\n"
    last = b"GET /v1/health HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"
    answer = server.raw(one * 3 + last)
    assert answer.count(b"HTTP/1.1 200 OK") == 4


# A client that ends its side of the connection


def half_closed(server: Server, data: bytes) -> bytes:
    """What is received by a client that sends bytes, and then only reads."""
    with socket.create_connection(server.address, timeout=5) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


HEALTH = b"GET /v1/health HTTP/1.1\r\nHost: t\r\n\r\n"


def post(path: bytes, body: bytes, more: bytes = b"") -> bytes:
    head = b"POST /v1/%s HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n" % (path, len(body))
    return head + JSON + more + b"\r\n" + body


def statuses(answers: bytes) -> list[int]:
    return [int(each) for each in re.findall(rb"HTTP/1\.1 (\d+) ", answers)]


def test_a_half_closed_connection_is_answered_and_closed(server: Server, tenant: Tenant) -> None:
    key = b"X-API-Key: %s\r\n" % tenant.key.encode()
    create = post(b"auth/api-keys", valid(tenant), key)
    body = json.dumps({"email": tenant.email, "password": tenant.password}).encode()
    # It takes the time of a password check.
    sign_in = post(b"auth/sign-in/email", body)
    assert statuses(half_closed(server, HEALTH)) == [200]
    assert statuses(half_closed(server, create)) == [201]
    assert statuses(half_closed(server, sign_in)) == [200]
    assert statuses(half_closed(server, HEALTH + create + sign_in + HEALTH)) == [200, 201, 200, 200]
    assert half_closed(server, b"") == half_closed(server, b"\r\n") == b""


@pytest.mark.on_sqlite(reason="its database is locked by SQL")
@pytest.mark.not_in_sandbox(reason="its database is locked by SQL")
def test_a_write_that_waits_is_dropped_when_its_client_is_gone(
    server: Server, tenant: Tenant
) -> None:
    # The writer waits for the lock with the first, and the others wait for the writer.
    names = ("first", "second", "third")
    connections = [socket.create_connection(server.address, timeout=SOON) for _ in names]
    other = connections[-1]
    for connection in connections:
        seen_by_server(connection)
    with closing(sqlite3.connect(server.database.path, isolation_level=None)) as database:
        database.execute("begin immediate")
        for name, connection in zip(names, connections, strict=True):
            key = b"X-API-Key: %s\r\n" % tenant.key.encode()
            connection.sendall(post(b"auth/api-keys", valid(tenant, name), key))
        with socket.create_connection(server.address, timeout=SOON) as probe:
            seen_by_server(probe)
            for connection in connections[:2]:
                # So that closing resets the connection (socket(7)).
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()
            seen_by_server(probe)
            seen_by_server(probe)
        database.execute("rollback")
    assert other.recv(65536).startswith(b"HTTP/1.1 201 ")
    other.close()
    rows = server.database.execute(
        "select name from api_key where name in (?, ?, ?) order by name", names
    )
    assert rows == [("third",)]
    # Both are in the log, with nginx's status for it.
    assert server.log.read_text("utf-8").count(" status=499 ") == 2


def seen_by_server(connection: socket.socket) -> None:
    """Send a request and read its answer: the server has read what came before."""
    connection.sendall(HEALTH)
    answer = b""
    while not answer.endswith(b"}"):
        answer += connection.recv(65536)


@pytest.mark.parametrize("before", [b"", HEALTH], ids=["first", "second"])
@pytest.mark.parametrize(
    "cut",
    [HEALTH[:-2], HEALTH[:9], post(b"auth/api-keys", b"{}")[:-1]],
    ids=["header", "line", "body"],
)
def test_400_to_what_a_half_closed_connection_leaves_incomplete(
    server: Server, before: bytes, cut: bytes
) -> None:
    answers = half_closed(server, before + cut)
    assert statuses(answers) == [200, 400][not before :]
    assert b"ended before the request was complete" in answers


# What may be stored


def test_all_but_the_documentation_is_stored_by_no_cache(
    server: Server, tenant: Tenant, owner: dict[str, str]
) -> None:
    def cached(method: str, path: str, headers: dict[str, str], status: int) -> str | None:
        answer = server.request(method, path, headers=headers)
        assert answer.status_code == status
        found: str | None = answer.headers.get("cache-control")
        return found

    key = {"X-API-Key": tenant.key}
    paths = ("/auth/api-keys", "/auth/whoami", f"/environments/{tenant.env_id}", "/audit-log")
    for path in paths:
        assert cached("GET", path, key, 200) == "no-store"
        assert cached("HEAD", path, key, 200) == "no-store"
        assert cached("GET", path, {}, 401) == "no-store"
    assert cached("GET", "/auth/authorize", key, 204) == "no-store"
    assert cached("GET", "/auth/api-keys/ak_0", owner, 404) == "no-store"
    assert cached("GET", "/auth/get-session", owner, 200) == "no-store"
    assert cached("GET", "/health", {}, 200) == "no-store"
    assert cached("GET", "/nope", {}, 404) == "no-store"
    # Documentation is the same for all.
    assert cached("GET", "/ui/", {}, 200) != "no-store"
    assert cached("GET", "/ui/swagger-ui.css", {}, 200) == "max-age=3600"


def test_no_response_is_compressed(server: Server) -> None:
    headers = b"Accept-Encoding: gzip, br\r\n"
    answer = request(server, None, method=b"GET", path=b"/v1/openapi.json", headers=headers)
    assert status(answer) == 200
    assert header(answer, b"content-encoding") is None


# What the log says of all this


def test_an_upgrade_is_not_made_and_the_connection_closes(server: Server) -> None:
    # What came with the request was not read as another: the client must not wait for an answer.
    once = b"GET /v1/health HTTP/1.1\r\nHost: t\r\n"
    upgrade = b"Connection: upgrade\r\nUpgrade: h2c\r\n"
    answers = server.raw(once + upgrade + b"\r\n" + once + b"\r\n")
    assert answers.count(b"HTTP/1.1 200 ") == 1
    assert header(answers, b"connection") == b"close"


def test_the_log_has_a_line_for_each_request_and_no_secret(server: Server, tenant: Tenant) -> None:
    canary = "canary-" + "0123456789abcdef" * 2
    for path in (f"/v1/{canary}", f"/v1/health?key={canary}", f"/v1/ui/{canary}"):
        request(server, tenant, method=b"GET", path=path.encode(), headers=b"")
    answer = request(
        server,
        tenant,
        headers=JSON + f"Authorization: Bearer {canary}\r\nCookie: a={canary}\r\n".encode(),
        body=json.dumps({"name": canary + "\n"}).encode(),
    )
    request_id = assert_shape(answer, 400)["request_id"]
    assert canary.encode() not in answer
    line = f"request_id={request_id} method=POST path=/v1/auth/api-keys status=400"
    # It is written after the response.
    until(lambda: line in server.log.read_text(encoding="utf-8"))
    log = server.log.read_text(encoding="utf-8")
    assert canary not in log
    assert tenant.key not in log
