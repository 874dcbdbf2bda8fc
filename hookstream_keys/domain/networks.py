"""Addresses and the networks that a key may be used from, in CIDR notation, IPv4 and IPv6."""

import functools
import ipaddress
from collections.abc import Iterable

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def canonical(networks: Iterable[str]) -> tuple[str, ...]:
    """The networks as they are stored: host bits cleared, each once, in the order given.

    An address is a network of one. Raises ValueError for other text, which the pattern in
    `openapi.yaml` rejects.
    """
    return tuple(dict.fromkeys(str(_network(text)) for text in networks))


def contain(networks: Iterable[str], address: str | None) -> bool:
    """Whether `address` is in one of the networks; False for what is not an address."""
    if address is None:
        return False
    try:
        wanted = ipaddress.ip_address(address)
    except ValueError:
        return False
    # An IPv4 client reaches an IPv6 socket as ::ffff:a.b.c.d; it is the same client.
    names = {wanted, getattr(wanted, "ipv4_mapped", None) or wanted}
    return any(name in network for network in map(_network, networks) for name in names)


@functools.lru_cache(maxsize=4096)
def is_address(text: str) -> bool:
    """Whether this is one IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def beyond(networks: Iterable[str], others: Iterable[str]) -> list[str]:
    """Those of `others` that lie in none of `networks`."""
    mine = [_network(text) for text in networks]
    return [text for text in others if not any(_inside(_network(text), own) for own in mine)]


def common(networks: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    """The intersection of `networks` and `others`."""
    mine, theirs = tuple(networks), tuple(others)
    outside = {*beyond(theirs, mine), *beyond(mine, theirs)}
    return tuple(text for text in dict.fromkeys(mine + theirs) if text not in outside)


def _inside(inner: Network, outer: Network) -> bool:
    if isinstance(inner, ipaddress.IPv4Network):
        return isinstance(outer, ipaddress.IPv4Network) and inner.subnet_of(outer)
    return isinstance(outer, ipaddress.IPv6Network) and inner.subnet_of(outer)


def _network(text: str) -> Network:
    return ipaddress.ip_network(text, strict=False)
