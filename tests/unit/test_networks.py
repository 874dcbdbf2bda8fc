import ipaddress
import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hookstream_keys.contract import spec
from hookstream_keys.domain import networks

SCHEMAS = yaml.safe_load(spec.source())["components"]["schemas"]
NETWORK = re.compile(SCHEMAS["Network"]["pattern"].removesuffix("$") + r"\Z", re.ASCII)
IP = SCHEMAS["VerifyRequest"]["properties"]["ip"]
ADDRESS = re.compile(IP["pattern"].removesuffix("$") + r"\Z", re.ASCII)

ADDRESSES = st.ip_addresses().map(str)
NETWORKS = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.integers(0, 32)),
    st.tuples(st.ip_addresses(v=6), st.integers(0, 128)),
).map(lambda pair: f"{pair[0]}/{pair[1]}")


@given(st.from_regex(NETWORK, fullmatch=True))
def test_every_network_the_document_accepts_is_parsed(text: str) -> None:
    assert networks.canonical([text])


@given(st.one_of(ADDRESSES, NETWORKS))
def test_the_document_lets_every_network_through(text: str) -> None:
    assert NETWORK.match(text)
    assert NETWORK.match(ipaddress.ip_network(text, strict=False).exploded)


@given(NETWORKS, ADDRESSES)
def test_a_network_contains_what_is_in_it(network: str, address: str) -> None:
    if ipv4(address) in ipaddress.ip_network(network, strict=False):
        assert networks.contain((network,), address)


@given(NETWORKS, ADDRESSES)
def test_a_network_contains_nothing_else(network: str, address: str) -> None:
    if ipv4(address) not in ipaddress.ip_network(network, strict=False):
        assert not networks.contain((network,), address)


def ipv4(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address, as IPv4 if it is mapped."""
    parsed = ipaddress.ip_address(address)
    return getattr(parsed, "ipv4_mapped", None) or parsed


@pytest.mark.parametrize("address", [None, "", "here", "10.0.0.0/8", "::1%eth0x"])
def test_an_invalid_address_is_in_no_network(address: str | None) -> None:
    assert not networks.contain(("0.0.0.0/0",), address)


MAPPED = st.tuples(st.ip_addresses(v=4), st.integers(0, 32))


@given(MAPPED, st.ip_addresses(v=4))
def test_mapped_addresses_and_networks_are_ipv4(
    pair: tuple[ipaddress.IPv4Address, int], client: ipaddress.IPv4Address
) -> None:
    address, length = pair
    inside = networks.contain((f"{address}/{length}",), str(client))
    number = int(address)
    hexadecimal = f"::ffff:{number >> 16:x}:{number & 0xFFFF:x}"
    dotted = (f"::ffff:{address}", f"::FFFF:{address}", f"0:0:0:0:0:ffff:{address}")
    for spelling in (*dotted, hexadecimal):
        network = f"{spelling}/{96 + length}"
        assert NETWORK.match(network)
        assert ADDRESS.match(spelling)
        assert networks.canonical([network]) == networks.canonical([f"{address}/{length}"])
        assert networks.canonical_address(spelling) == str(address)
        for text in (str(client), f"::ffff:{client}"):
            assert networks.contain((network,), text) is inside


@given(st.ip_addresses(v=4), st.integers(0, 95))
def test_no_network_of_ipv6_contains_an_ipv4_client(
    client: ipaddress.IPv4Address, length: int
) -> None:
    for text in (str(client), f"::ffff:{client}"):
        assert not networks.contain((f"::ffff:{client}/{length}",), text)


@given(st.from_regex(ADDRESS, fullmatch=True))
def test_every_address_the_document_accepts_is_parsed(text: str) -> None:
    assert networks.canonical_address(text) == str(ipv4(text))


@pytest.mark.parametrize("text", ["", "here", "10.0.0.0/8", "127.1", "01.2.3.4"])
def test_other_text_is_no_address(text: str) -> None:
    assert networks.canonical_address(text) == ""


@given(NETWORKS)
def test_nothing_lies_beyond_itself_or_everything(network: str) -> None:
    assert networks.beyond([network], [network]) == []
    assert networks.beyond(["0.0.0.0/0", "::/0"], [network]) == []


@given(NETWORKS, NETWORKS, ADDRESSES)
def test_what_is_within_contains_no_more(outer: str, inner: str, address: str) -> None:
    if networks.beyond([outer], [inner]) == [] and networks.contain((inner,), address):
        assert networks.contain((outer,), address)


def test_one_family_is_never_within_the_other() -> None:
    assert networks.beyond(["0.0.0.0/0"], ["::1/128"]) == ["::1/128"]
    assert networks.beyond(["::/0"], ["10.0.0.0/8"]) == ["10.0.0.0/8"]


def test_networks_are_kept_once_and_without_host_bits() -> None:
    given_ = ["10.1.2.3/8", "10.0.0.0/8", "2001:DB8::1", "::ffff:10.0.0.0/104"]
    assert networks.canonical(given_) == ("10.0.0.0/8", "2001:db8::1/128")


@given(st.lists(NETWORKS), st.lists(NETWORKS), ADDRESSES)
def test_an_address_is_in_what_two_have_in_common_when_it_is_in_both(
    one: list[str], other: list[str], address: str
) -> None:
    inside = networks.contain(tuple(one), address) and networks.contain(tuple(other), address)
    assert networks.contain(networks.common(one, other), address) == inside


def test_what_two_have_in_common_is_the_smaller_networks() -> None:
    mine = ("192.0.2.0/24", "2001:db8::/32", "198.51.100.1/32")
    theirs = ("192.0.2.0/25", "192.0.2.128/25", "2001::/16", "203.0.113.0/24")
    assert networks.common(mine, theirs) == ("2001:db8::/32", "192.0.2.0/25", "192.0.2.128/25")
