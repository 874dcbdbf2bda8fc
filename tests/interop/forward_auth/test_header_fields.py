"""Which header fields the proxies of docs/forward-auth pass on, whatever the client sends."""

import re
import socket
from contextlib import suppress
from itertools import product
from urllib.parse import urlsplit

import pytest
from interop.forward_auth.protected import PREFLIGHT, Protected, environ, fields

#: The identity headers, as CGI (RFC 3875, 4.1.18) and WSGI name them.
IDENTITY = ("X_KEY_ID", "X_ORG_ID", "X_ENV_ID", "X_SCOPES")

#: The characters of a header field's name (RFC 9110, 5.6.2) besides letters, digits and hyphens.
OTHERS = "!#$%&'*+.^_`|~"


def folded(name: str) -> str:
    """The name as gateways fold it that make an underscore of all but letters and digits."""
    return re.sub("[^A-Z0-9]", "_", name.upper())


def spellings(name: str) -> list[str]:
    """Names that fold to the same as this one: each character, cases, and mixtures."""
    first, *rest = name.lower().split("_")
    alike = [(other,) * len(rest) for other in OTHERS]
    mixed = [(OTHERS[at - 1], *OTHERS[at:], *OTHERS)[: len(rest)] for at in range(len(OTHERS))]
    both = product("-_", repeat=len(rest))
    names = {
        first + "".join(gap + part for gap, part in zip(gaps, rest, strict=True))
        for gaps in (*alike, *mixed, *both)
    }
    return sorted({*names, *(each.upper() for each in names), *(each.title() for each in names)})


@pytest.mark.parametrize("name", IDENTITY)
def test_no_spelling_of_an_identity_header_passes(protected: Protected, name: str) -> None:
    created = protected.create(scopes="events:read")
    sent = [(each, "of-the-client") for each in spellings(name)]
    assert {folded(each) for each, _ in sent} == {name}
    answer = protected.ask([("X-API-Key", created["key"]), *sent])
    arrived = [value for each, value in fields(answer) if folded(each) == name]
    assert len(arrived) == 1
    assert "of-the-client" not in answer.text
    assert environ(answer)[f"HTTP_{name}"] == arrived[0]


@pytest.mark.parametrize("name", IDENTITY)
def test_no_identity_header_passes_with_a_preflight(protected: Protected, name: str) -> None:
    sent = [(each, "of-the-client") for each in spellings(name)]
    answer = protected.ask([*PREFLIGHT.items(), *sent], "OPTIONS")
    assert [each for each, _ in fields(answer) if folded(each) in IDENTITY] == []
    assert "of-the-client" not in answer.text


def test_no_spelling_of_the_key_passes(protected: Protected) -> None:
    created = protected.create()
    bearer = ("Authorization", f"Bearer {created['key']}")
    sent = [(each, created["key"]) for each in spellings("X_API_KEY")]
    once = [(each, value) for each, value in sent if each.lower() != "x-api-key"]
    for answer in (
        protected.ask([bearer, *once]),
        protected.ask([("X-API-Key", created["key"]), *once]),
        protected.ask([*PREFLIGHT.items(), bearer, *sent], "OPTIONS"),
    ):
        assert environ(answer)["REQUEST_METHOD"]
        assert created["key"] not in answer.text


def test_a_client_cannot_have_identity_headers_removed(protected: Protected) -> None:
    # A proxy removes the fields that Connection lists (RFC 9110, 7.6.1).
    created = protected.create()
    listed = "close, X-Key-Id, X-Org-Id, X-Env-Id, X-Scopes, X-Forwarded-For"
    seen = environ(protected.ask({"X-API-Key": created["key"], "Connection": listed}))
    assert seen["HTTP_X_KEY_ID"] == created["id"]
    assert {f"HTTP_{name}" for name in (*IDENTITY, "X_FORWARDED_FOR")} <= seen.keys()


def test_other_header_fields_pass(protected: Protected) -> None:
    sent = {"X-Request-Tag": "7", "Cookie": "a=b", "Accept-Language": "de", "X-Keys": "1"}
    seen = environ(protected.ask({"X-API-Key": protected.create()["key"], **sent}))
    for name, value in sent.items():
        assert seen[f"HTTP_{folded(name)}"] == value


def test_the_service_learns_the_clients_address(protected: Protected) -> None:
    lies = {"X-Forwarded-For": "192.0.2.7", "X_Forwarded_For": "192.0.2.7"}
    answer = protected.ask({"X-API-Key": protected.create()["key"], **lies})
    assert environ(answer)["HTTP_X_FORWARDED_FOR"] == "127.0.0.1"
    assert "192.0.2.7" not in answer.text


def test_40_kb_of_cookies_pass(protected: Protected) -> None:
    # More than the server's own limit (HOOKSTREAM_MAX_HEADER_BYTES) is, in one field and in ten.
    created = protected.create()
    whole = "; ".join(f"cookie{index}={'c' * 3980}" for index in range(10))
    assert 39_000 < len(whole) < 42_000
    for cookies in ([whole], whole.split("; ")):
        sent = [("X-API-Key", created["key"]), *(("Cookie", each) for each in cookies)]
        assert environ(protected.ask(sent))["HTTP_COOKIE"].count("c" * 3980) == 10
        # Without a key they change nothing.
        assert protected.ask(sent[1:]).status_code == 401


@pytest.mark.parametrize("size", [300, 8_000, 30_000, 60_000, 300_000])
@pytest.mark.parametrize("name", ["X-API-Key", "Authorization", "Cookie", "X-Other"])
def test_a_header_that_is_too_large_is_the_clients_error(
    protected: Protected, name: str, size: int
) -> None:
    # By a socket: a proxy may answer and close before it has read the request.
    # Without the bound on credentials, some of the answers here would be 502: the server's 431 ends
    # a connection on which the proxy still writes.
    url = urlsplit(protected.url)
    request = f"GET / HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: close\r\n{name}: {'x' * size}"
    with socket.create_connection((url.hostname, url.port), timeout=30) as connection:
        with suppress(ConnectionResetError, BrokenPipeError):
            connection.sendall(request.encode() + b"\r\n\r\n")
        status = connection.makefile("rb").readline()
    # What the proxy accepts is more than the server does, and only a credential could reach it.
    expected = {b"401"} if size <= 60_000 else {b"400", b"431"}
    assert status.split(b" ")[1] in expected


def test_the_authorization_request_has_no_cookies(protected: Protected) -> None:
    session = protected.server.request(
        "POST",
        "/auth/sign-in/email",
        json={"email": protected.tenant.email, "password": protected.tenant.password},
    )
    headers = {"Cookie": session.headers["Set-Cookie"].partition(";")[0]}
    # The server knows the session, and refuses it here; from the proxy it gets none to know.
    assert protected.server.request("GET", "/auth/authorize", headers=headers).status_code == 403
    assert protected.ask(headers).status_code == 401
