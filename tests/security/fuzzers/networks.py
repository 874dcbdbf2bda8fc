"""`domain.networks`: the document's pattern, and which address is inside, in bits."""

import ipaddress
import socket

from hookstream_keys.contract import spec
from hookstream_keys.contract.schemas import check_value
from hookstream_keys.domain import networks

_SCHEMA = spec.document()["components"]["schemas"]["Network"]

#: The beginning of an IPv4-mapped address (RFC 4291, section 2.5.5.2).
_MAPPED = bytes(10) + b"\xff\xff"

#: Bits of the address, how many there are, and how many of them count.
Bits = tuple[int, int, int]


def check(data: bytes) -> None:
    """The data as lines: a network, another, and the address of a client."""
    network, other, client = ([line.decode("latin-1") for line in data.split(b"\n", 2)] + [""] * 3)[
        :3
    ]
    read = [_read(text) for text in (network, other)]
    for text, bits in zip((network, other), read, strict=True):
        assert (check_value(_SCHEMA, text, "body") == []) == (bits is not None), text
    mine, others = read
    if mine is None:
        return
    (canonical,) = networks.canonical([network])
    assert networks.canonical([canonical]) == (canonical,)
    assert networks.canonical_address(client) == _spelled(client)
    assert _read(canonical) == mine
    assert networks.contain((network,), client) == _contains(mine, client), (network, client)
    if others is not None:
        both = networks.common([network], [other])
        inside = _contains(mine, client) and _contains(others, client)
        assert networks.contain(both, client) == inside, both
        assert (networks.beyond([network], [other]) == []) == _covers(mine, others)
        assert len(networks.canonical([network, other])) == 2 - (mine == others)


def _read(text: str) -> Bits | None:
    address, slash, length = text.partition("/")
    raw = _packed(address)
    if raw is None or len(text) > 49:
        return None
    size = 8 * len(raw)
    if not slash:
        length = str(size)
    plain = length in {str(number) for number in range(size + 1)}
    if not plain:
        return None
    if raw.startswith(_MAPPED) and int(length) >= 96:
        # The network has no address but mapped ones.
        raw, size, length = raw[12:], 32, str(int(length) - 96)
    unused = size - int(length)
    return int.from_bytes(raw, "big") >> unused, size, int(length)


def _packed(address: str) -> bytes | None:
    if not address.isascii() or "\0" in address:
        return None
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.inet_pton(family, address)
    except OSError:
        return None


def _contains(network: Bits, client: str) -> bool:
    address, percent, zone = client.partition("%")
    raw = _packed(address)
    if raw is None or not _is_zone(address, percent, zone):
        return False
    if raw.startswith(_MAPPED):
        raw = raw[12:]
    bits, size, length = network
    return 8 * len(raw) == size and int.from_bytes(raw, "big") >> (size - length) == bits


def _is_zone(address: str, percent: str, zone: str) -> bool:
    return not percent or bool(zone and "%" not in zone and "/" not in zone and ":" in address)


def _spelled(client: str) -> str:
    """As the system spells it."""
    address, percent, zone = client.partition("%")
    raw = _packed(address)
    if raw is None or not _is_zone(address, percent, zone):
        return ""
    if raw.startswith(_MAPPED):
        return socket.inet_ntop(socket.AF_INET, raw[12:])
    return str(ipaddress.IPv6Address(raw) if len(raw) == 16 else ipaddress.IPv4Address(raw)) + (
        percent + zone
    )


def _covers(outer: Bits, inner: Bits) -> bool:
    bits, size, length = inner
    return outer[1] == size and outer[2] <= length and bits >> (length - outer[2]) == outer[0]
