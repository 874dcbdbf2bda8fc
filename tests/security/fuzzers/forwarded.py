"""`X-Forwarded-For` and `-Proto`, as the server reads them from a trusted proxy."""

import ipaddress
from typing import Any

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from hookstream_keys.domain import networks

PROXY = "192.0.2.1"
TRUSTED = f"{PROXY}, 198.51.100.0/24"


async def _app(scope: Any, receive: Any, send: Any) -> None:
    """Nothing: the scope is all that is looked at."""


_MIDDLEWARE = ProxyHeadersMiddleware(_app, trusted_hosts=TRUSTED)


def check(data: bytes) -> None:
    """The data as the scheme and the addresses that a proxy, or a client, has forwarded."""
    scheme, _, addresses = data.partition(b"\n")
    for sender in (PROXY, "203.0.113.9"):
        scope = _forwarded(sender, scheme, addresses)
        if sender != PROXY:
            assert (scope["client"], scope["scheme"]) == ((sender, 1234), "http")
            continue
        host = scope["client"][0]
        assert host == _client(addresses.decode("latin-1")), addresses
        assert scope["scheme"] in ("http", "https", "ws", "wss")
        # Whatever it is, a key that is bound to addresses can be asked with it.
        inside = networks.contain(["0.0.0.0/0", "::/0"], host)
        assert inside == _is_address(host)


def _forwarded(sender: str, scheme: bytes, addresses: bytes) -> dict[str, Any]:
    fields = [(b"x-forwarded-proto", scheme), (b"x-forwarded-for", addresses)]
    scope: dict[str, Any] = {
        "type": "http",
        "scheme": "http",
        "client": (sender, 1234),
        "headers": fields,
    }
    # It never waits for anything, so one step is all.
    call: Any = _MIDDLEWARE(scope, None, None)  # type: ignore[arg-type]
    try:
        call.send(None)
    except StopIteration:
        return scope
    raise AssertionError("the middleware waits for something")


def _client(text: str) -> str:
    """The last address that no trusted proxy has; the first where all are proxies'."""
    hosts = [_host(part.strip()) for part in text.split(",")]
    clients = [host for host in hosts if not _is_proxy(host)]
    return (clients[-1] if clients else hosts[0]) or PROXY


def _host(text: str) -> str:
    """An address without its port, where it has one."""
    if text.startswith("["):
        inside, bracket, rest = text[1:].partition("]")
        return inside if bracket and (not rest or rest[0] == ":") else text
    host, _, port = text.partition(":")
    return host if text.count(":") == 1 and _is_number(port) else text


def _is_number(text: str) -> bool:
    try:
        int(text)
    except ValueError:
        return False
    return True


def _is_proxy(host: str) -> bool:
    parts = host.split(".")
    return host == PROXY or (parts[:3] == ["198", "51", "100"] and _is_address(host))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
