"""What reverse proxies say of a request: `X-Forwarded-For`, `-Proto` and `-Prefix`.

Each proxy adds to the end of a list, behind what the client sent. So lists are read from their end,
and only as far as the proxies are trusted.
"""

import functools
import re
from collections.abc import Mapping
from typing import NamedTuple

from hookstream_keys.domain import networks
from hookstream_keys.domain.setting_kinds import URL_PATH

FOR, PROTO, PREFIX = b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-prefix"
#: What stands for the address of a peer of a Unix socket; no address is spelled so.
UNIX = "unix"
#: Several fields of these names are one list (RFC 9110, section 5.3).
LISTS = frozenset({FOR, PROTO, PREFIX})

#: An address without its port: `[2001:db8::7]:443` and `192.0.2.7:443`, both with or without.
_HOST = re.compile(r"\[([^\[\]]*)\](?::[0-9]{1,5})?|([^:]*):[0-9]{1,5}")
#: The length of the longest address: IPv6 with an IPv4 address at its end.
_MAX_LENGTH = 45
_PREFIX = re.compile(URL_PATH, re.ASCII)


class Forwarded(NamedTuple):
    """The client of a request, as the last proxies before this server are trusted to say."""

    #: The client's address, or an empty text where it is not known.
    address: str
    #: `http` or `https`: how the client reached the first trusted proxy.
    scheme: str
    #: The path before this server's own by which clients reach it, without a slash at its end.
    prefix: str = ""


class TrustedProxies:
    """The proxies that are trusted: addresses and networks, separated by commas.

    `unix` among them is every peer of a Unix socket, which has no address.
    """

    def __init__(self, trusted: str) -> None:
        entries = [each.strip() for each in trusted.split(",") if each.strip()]
        self._trusts_unix = UNIX in entries
        self._networks = tuple(each for each in entries if each != UNIX)
        self._trust = functools.lru_cache(maxsize=4096)(self._is_in_networks)

    def client(self, peer: str, scheme: str, headers: Mapping[bytes, bytes]) -> Forwarded:
        """The client of a request that `peer` sent by `scheme`; of a list, `headers` has all.

        The client is the last in `X-Forwarded-For` that is no trusted proxy, the first if all are.
        `peer` is `UNIX` for one of a Unix socket.
        """
        is_unix = peer == UNIX
        address, proxies = "" if is_unix else peer, 1
        if not (self._trusts_unix if is_unix else self._trust(peer)):
            return Forwarded(address, scheme)
        for text in reversed(_items(headers, FOR)):
            address = _address(text)
            if not self._trust(address):
                break
            proxies += 1
        return Forwarded(address, _scheme(headers, proxies) or scheme, _prefix(headers))

    def _is_in_networks(self, address: str) -> bool:
        return networks.contain(self._networks, address)


def _items(headers: Mapping[bytes, bytes], name: bytes) -> list[str]:
    text = headers.get(name, b"").decode("latin-1")
    return [item.strip(" \t") for item in text.split(",")] if text.strip(" \t") else []


def _address(text: str) -> str:
    """The address of an item; empty for `unknown` and whatever else is none."""
    found = _HOST.fullmatch(text)
    address = (found[1] or found[2] or "") if found else text
    # A zone is a name of the proxy's own, and could be any text; a long text is not worth a cache.
    is_none = "%" in address or len(address) > _MAX_LENGTH
    return "" if is_none else networks.canonical_address(address)


def _scheme(headers: Mapping[bytes, bytes], proxies: int) -> str | None:
    """The item of the first trusted proxy, or that of the first to say anything."""
    items = _items(headers, PROTO)
    wanted = items[-min(proxies, len(items))] if items else ""
    return wanted if wanted in ("http", "https") else None


def _prefix(headers: Mapping[bytes, bytes]) -> str:
    """What the last proxy says; empty for what is no plain path."""
    items = _items(headers, PREFIX)
    prefix = items[-1].removesuffix("/") if items else ""
    return prefix if _PREFIX.fullmatch(prefix) else ""
