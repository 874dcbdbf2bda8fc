"""Addresses and the networks that a key may be used from, in CIDR notation, IPv4 and IPv6.

An IPv4 client reaches an IPv6 socket as an IPv4-mapped address, `::ffff:a.b.c.d` (RFC 4291, section
2.5.5.2). It is the same client, so everything here reads such an address, or a network of them, as
IPv4.
"""

import functools
import ipaddress
from collections.abc import Iterable
from typing import NamedTuple

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


def canonical(networks: Iterable[str]) -> tuple[str, ...]:
    """The networks as they are stored: host bits cleared, each once, in the order given.

    An address is a network of one. Raises ValueError for other text, which the pattern in
    `openapi.yaml` rejects.
    """
    return tuple(dict.fromkeys(str(_network(text)) for text in networks))


def contain(networks: tuple[str, ...], address: str | None) -> bool:
    """Whether `address` is in one of the networks; False for what is not an address."""
    wanted = None if address is None else _address(address)
    if wanted is None:
        return False
    value = int(wanted)
    return any(value & mask == prefix for prefix, mask in _prefixes(networks, wanted.version))


@functools.lru_cache(maxsize=1024)
def _prefixes(networks: tuple[str, ...], version: int) -> tuple[tuple[int, int], ...]:
    """The networks of an IP version as their prefixes and masks.

    Cached: a key has up to 50, and parsing one takes as long as a look-up of the key. The texts
    are the keys of the cache, so a change of a key's networks needs no other.
    """
    found = (network for network in map(_parsed, networks) if network.version == version)
    return tuple((each.prefix, each.mask) for each in found)


@functools.lru_cache(maxsize=4096)
def canonical_address(text: str) -> str:
    """The address in its usual spelling, an IPv4-mapped one as IPv4; empty for other text."""
    address = _address(text)
    return "" if address is None else str(address)


def beyond(networks: Iterable[str], others: Iterable[str]) -> list[str]:
    """Those of `others` that lie in none of `networks`."""
    mine = [_parsed(text) for text in networks]
    return [text for text in others if not any(_inside(_parsed(text), own) for own in mine)]


def common(networks: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    """The intersection of `networks` and `others`."""
    mine, theirs = tuple(networks), tuple(others)
    outside = {*beyond(theirs, mine), *beyond(mine, theirs)}
    return tuple(text for text in dict.fromkeys(mine + theirs) if text not in outside)


class _Parsed(NamedTuple):
    """A network as numbers: comparing those takes a hundredth of the time of `ipaddress`."""

    version: int
    prefix: int
    mask: int


@functools.lru_cache(maxsize=4096)
def _parsed(text: str) -> _Parsed:
    network = _network(text)
    return _Parsed(network.version, int(network.network_address), int(network.netmask))


def _inside(inner: _Parsed, outer: _Parsed) -> bool:
    # A longer mask is the greater number.
    return (
        inner.version == outer.version
        and inner.mask >= outer.mask
        and inner.prefix & outer.mask == outer.prefix
    )


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _network(text: str) -> Network:
    network = ipaddress.ip_network(text, strict=False)
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        address = network.network_address.ipv4_mapped
        return ipaddress.ip_network((str(address), network.prefixlen - _MAPPED.prefixlen))
    return network
