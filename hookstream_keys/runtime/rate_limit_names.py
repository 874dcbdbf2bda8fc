"""The names of rate-limit counters, for keys, organizations and client addresses."""

import ipaddress
from functools import lru_cache

#: The prefix of keys' names, which have rows of their own in the counters' file.
OF_KEYS = "key "
#: The prefix of organizations' names.
OF_ORGANIZATIONS = "org "
#: The prefix of organizations' names for the limit of verification.
OF_VERIFICATION = "verification "


def of_key(key_id: str) -> str:
    """The name of a key's own limit."""
    return f"{OF_KEYS}{key_id}"


@lru_cache(maxsize=4096)
def of_address(address: str) -> str:
    """The name of a client address. An IPv6 /64 network, one customer's, counts as one."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return f"address {address}"
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is None:
            return f"address {ipaddress.ip_network((ip, 64), strict=False)}"
        ip = ip.ipv4_mapped
    return f"address {ip}"
