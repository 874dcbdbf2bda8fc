"""Whose rate limit is counted: the names that the counters have for keys and client addresses."""

import ipaddress
from functools import lru_cache

#: How the names of keys begin: they have a part of the counters' file of their own.
OF_KEYS = "key "


def of_key(key_id: str) -> str:
    """A key, for its own limit."""
    return f"{OF_KEYS}{key_id}"


@lru_cache(maxsize=4096)
def of_address(address: str) -> str:
    """A client address. An IPv6 network of 64 bits is one: it is one customer's."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return f"address {address}"
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is None:
            return f"address {ipaddress.ip_network((ip, 64), strict=False)}"
        ip = ip.ipv4_mapped
    return f"address {ip}"
