"""`domain.networks`: the document's pattern, and which address is inside, in bits."""

import socket

from hookstream_keys.contract import spec
from hookstream_keys.contract.schemas import check_value
from hookstream_keys.domain import networks

_SCHEMA = spec.document()["components"]["schemas"]["Network"]

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
    assert _read(canonical) == mine
    assert networks.contain([network], client) == _contains(mine, client), (network, client)
    if others is not None:
        both = networks.common([network], [other])
        inside = _contains(mine, client) and _contains(others, client)
        assert networks.contain(both, client) == inside, both
        assert (networks.beyond([network], [other]) == []) == _covers(mine, others)
        assert len(networks.canonical([network, other])) == 2 - (mine == others)


def _read(text: str) -> Bits | None:
    address, slash, length = text.partition("/")
    raw = _packed(address)
    if raw is None or len(text) > 43 or ("." in address and ":" in address):
        return None
    size = 8 * len(raw)
    if not slash:
        length = str(size)
    plain = length in {str(number) for number in range(size + 1)}
    if not plain:
        return None
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
    if raw is None or "/" in zone or (percent and (not zone or "%" in zone or ":" not in address)):
        return False
    names = [raw]
    if len(raw) == 16 and raw[:12] == bytes(10) + b"\xff\xff":
        names.append(raw[12:])
    bits, size, length = network
    return any(
        8 * len(name) == size and int.from_bytes(name, "big") >> (size - length) == bits
        for name in names
    )


def _covers(outer: Bits, inner: Bits) -> bool:
    bits, size, length = inner
    return outer[1] == size and outer[2] <= length and bits >> (length - outer[2]) == outer[0]
