"""What is taken from the fields of proxies, and from which of them."""

import pytest

from hookstream_keys.http.forwarded import UNIX, Forwarded, TrustedProxies

OUTER, INNER, CLIENT = "10.0.0.1", "10.0.0.2", "203.0.113.7"
PROXIES = TrustedProxies(f"{OUTER}, 10.0.0.2/32,2001:db8::/64")


def client(
    peer: str = INNER,
    addresses: str | None = None,
    schemes: str | None = None,
    prefix: str | None = None,
    proxies: TrustedProxies = PROXIES,
) -> Forwarded:
    fields = {
        b"x-forwarded-for": addresses,
        b"x-forwarded-proto": schemes,
        b"x-forwarded-prefix": prefix,
    }
    headers = {name: text.encode() for name, text in fields.items() if text is not None}
    return proxies.client(peer, "http", headers)


@pytest.mark.parametrize("peer", [CLIENT, "", "10.0.0.3", "2001:db8:0:1::1"])
def test_no_other_peer_is_trusted(peer: str) -> None:
    assert client(peer, "192.0.2.1", "https", "/keys") == Forwarded(peer, "http")


def test_peers_of_a_unix_socket_are_trusted_by_name() -> None:
    told = client(UNIX, f"192.0.2.1, {CLIENT}", "https", "/keys", TrustedProxies(f"{OUTER},unix"))
    assert told == Forwarded(CLIENT, "https", "/keys")
    # They have no address of their own, and no item of the field is one of them.
    assert client(UNIX, proxies=TrustedProxies("unix")) == Forwarded("", "http")
    assert client(UNIX, "192.0.2.1, unix", proxies=TrustedProxies("unix")).address == ""
    assert client(UNIX, CLIENT, "https", "/keys") == Forwarded("", "http")
    # Where it is the only entry, no address is trusted.
    assert client(OUTER, CLIENT, proxies=TrustedProxies("unix")) == Forwarded(OUTER, "http")


@pytest.mark.parametrize(
    ("addresses", "schemes", "expected"),
    [
        # One proxy is trusted with its own item, the last; what stands before is the client's.
        (CLIENT, "https", "https"),
        (CLIENT, "http", "http"),
        (CLIENT, "https,http", "http"),
        (CLIENT, "http,https", "https"),
        # Of two, the outer one tells how the client reached it.
        (f"{CLIENT},{OUTER}", "https,http", "https"),
        (f"{CLIENT}, {OUTER}", "https , http", "https"),
        (f"{CLIENT},{OUTER}", "http,https", "http"),
        (f"{CLIENT},{OUTER}", "https,http,http", "http"),
        # A list that only one of them writes.
        (f"{CLIENT},{OUTER}", "https", "https"),
        # The client's items, for addresses of proxies that are not trusted.
        (f"{OUTER},{CLIENT}", "https,http", "http"),
        (f"10.0.0.9,{CLIENT},{OUTER}", "https,https,http", "https"),
        (None, "https", "https"),
        # Nothing that is a scheme.
        (CLIENT, "", "http"),
        (CLIENT, "HTTPS", "http"),
        (CLIENT, "ftp", "http"),
        (CLIENT, "https,", "http"),
        (CLIENT, "https, wss", "http"),
    ],
)
def test_the_scheme_is_read_from_the_trusted_end(
    addresses: str | None, schemes: str, expected: str
) -> None:
    assert client(INNER, addresses, schemes).scheme == expected


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        (CLIENT, CLIENT),
        (f"192.0.2.1, {CLIENT}", CLIENT),
        (f"192.0.2.1, {CLIENT}, {OUTER}, [2001:db8::1]:80", CLIENT),
        (f"{OUTER}, {INNER}", OUTER),
        (f"::ffff:{CLIENT}", CLIENT),
        (f"[::ffff:{CLIENT}]:443, ::ffff:10.0.0.1", CLIENT),
        ("2001:DB8:0:2:0:0:0:1", "2001:db8:0:2::1"),
        (f"192.0.2.1, unknown, {OUTER}", ""),
        ("192.0.2.1, ", ""),
        ("fe80::1%eth0", ""),
        ("[fe80::1%eth0]:80", ""),
        ("10.0.0.1x", ""),
        (f"{CLIENT}:port", ""),
        (f"[{CLIENT}", ""),
        ("x" * 30_000, ""),
        ("", INNER),
    ],
)
def test_the_client_is_the_last_that_is_no_proxy(addresses: str, expected: str) -> None:
    assert client(INNER, addresses).address == expected


@pytest.mark.parametrize("trusted", ["10.0.0.0/8", "::ffff:10.0.0.0/104", "::ffff:a00:2"])
def test_a_mapped_network_of_proxies_is_one_of_ipv4(trusted: str) -> None:
    assert client(INNER, CLIENT, proxies=TrustedProxies(trusted)).address == CLIENT


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("/keys", "/keys"),
        ("/keys/", "/keys"),
        ("/a/b.c~d", "/a/b.c~d"),
        ("/evil, /keys", "/keys"),
        ("", ""),
        ("/", ""),
        ("keys", ""),
        ("//evil.example", ""),
        ("/keys/..", ""),
        ("/a/./b", ""),
        ("/keys?x", ""),
        ("/%2e%2e", ""),
        ('/"', ""),
        ("/a\n", ""),
        ("https://evil.example", ""),
    ],
)
def test_the_prefix_is_a_plain_path(prefix: str, expected: str) -> None:
    assert client(INNER, prefix=prefix).prefix == expected
