"""`X-Forwarded-For`, `-Proto` and `-Prefix`, as the server reads them from a trusted proxy."""

import ipaddress

from hookstream_keys.domain import networks
from hookstream_keys.http.forwarded import FOR, PREFIX, PROTO, Forwarded, TrustedProxies

PROXY = "192.0.2.1"
_PROXIES = TrustedProxies(f"{PROXY}, 198.51.100.0/24")
_SEGMENT = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._~-")


def check(data: bytes) -> None:
    """The data as the schemes, addresses and prefixes that a proxy, or a client, has forwarded."""
    schemes, addresses, prefixes = [*data.split(b"\n", 2), b"", b""][:3]
    headers = {PROTO: schemes, FOR: addresses, PREFIX: prefixes}
    assert _PROXIES.client("203.0.113.9", "http", headers) == Forwarded("203.0.113.9", "http")
    told = _PROXIES.client(PROXY, "http", headers)
    address, proxies = _client(_items(addresses))
    assert told.address == address, addresses
    assert told.scheme == _scheme(_items(schemes), proxies), schemes
    assert told.prefix == _prefix(_items(prefixes)), prefixes
    # Whatever it is, a key that is bound to addresses can be asked with it.
    assert networks.contain(("0.0.0.0/0", "::/0"), told.address) == (told.address != "")


def _items(data: bytes) -> list[str]:
    text = data.decode("latin-1")
    return [item.strip(" \t") for item in text.split(",")] if text.strip(" \t") else []


def _client(items: list[str]) -> tuple[str, int]:
    """The last address that no trusted proxy has, or the first, and how many proxies follow it."""
    hosts = [_host(item) for item in items]
    for number, host in enumerate(reversed(hosts), 1):
        if not _is_proxy(host):
            return host, number
    return (hosts[0], len(hosts) + 1) if hosts else (PROXY, 1)


def _host(text: str) -> str:
    """An address without its port, where it has one, or nothing."""
    host, port = text, "0"
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        port = rest[1:] if rest[:1] == ":" else "" if rest or not bracket else "0"
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    if not (port.isascii() and port.isdigit() and len(port) <= 5) or len(host) > 45 or "%" in host:
        return ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ""
    return str(getattr(address, "ipv4_mapped", None) or address)


def _is_proxy(host: str) -> bool:
    return host == PROXY or (host.startswith("198.51.100.") and ":" not in host)


def _scheme(items: list[str], proxies: int) -> str:
    items = items[-proxies:]
    return "https" if items[:1] == ["https"] else "http"


def _prefix(items: list[str]) -> str:
    """The last item, if each of its segments is a name."""
    text = items[-1] if items else ""
    text = text[:-1] if text.endswith("/") else text
    first, *segments = text.split("/")
    names = all(each and set(each) <= _SEGMENT and each not in (".", "..") for each in segments)
    return text if segments and not first and names else ""
