import pytest
from unit import samples

from hookstream_keys.context.origins import Origins
from hookstream_keys.context.request import Request
from hookstream_keys.domain.errors import UntrustedOrigin

ORIGINS = Origins(["https://console.example.com"])


def request(headers: dict[str, str], scheme: str) -> Request:
    fields = {"host": "keys.example.com", **headers}
    return samples.request(
        {name.encode(): value.encode() for name, value in fields.items()}, scheme=scheme
    )


def ours(headers: dict[str, str], scheme: str = "https") -> bool:
    try:
        ORIGINS.require_trusted(request(headers, scheme))
    except UntrustedOrigin:
        return False
    return True


def foreign(headers: dict[str, str], scheme: str = "https") -> bool:
    try:
        ORIGINS.refuse_untrusted(request(headers, scheme))
    except UntrustedOrigin:
        return True
    return False


@pytest.mark.parametrize("origin", ["https://keys.example.com", "https://console.example.com"])
def test_a_trusted_origin(origin: str) -> None:
    assert ours({"origin": origin})
    assert not foreign({"origin": origin})


@pytest.mark.parametrize(
    ("scheme", "host", "origin"),
    [
        ("https", "keys.example.com:443", "https://keys.example.com"),
        ("https", "keys.example.com", "https://keys.example.com:443"),
        ("http", "keys.example.com:80", "http://keys.example.com"),
        ("http", "[2001:db8::443]:80", "http://[2001:db8::443]"),
        ("https", "keys.example.com:", "https://keys.example.com"),
        ("https", "KEYS.example.com:443", "https://keys.example.com"),
        ("https", "other.example", "https://console.example.com:443"),
    ],
)
def test_a_default_port_makes_no_other_origin(scheme: str, host: str, origin: str) -> None:
    headers = {"host": host, "origin": origin}
    assert ours(headers, scheme)
    assert not foreign(headers, scheme)


@pytest.mark.parametrize(
    ("scheme", "host", "origin"),
    [
        ("https", "keys.example.com:80", "https://keys.example.com"),
        ("http", "keys.example.com:443", "http://keys.example.com"),
        ("http", "keys.example.com:443", "https://keys.example.com"),
        ("https", "keys.example.com:8443", "https://keys.example.com"),
        ("https", "keys.example.com:4430", "https://keys.example.com"),
        ("https", "[2001:db8::443]", "https://[2001:db8:]"),
    ],
)
def test_another_port_makes_another_origin(scheme: str, host: str, origin: str) -> None:
    headers = {"host": host, "origin": origin}
    assert not ours(headers, scheme)
    assert foreign(headers, scheme)


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://keys.example.com",
        "https://keys.example.com.evil.example",
        "https://evil.example",
        "https://console.example.com:8443",
        "https://KEYS.example.com",
    ],
)
def test_an_untrusted_origin(origin: str) -> None:
    assert not ours({"origin": origin})
    assert foreign({"origin": origin})
    # The browser's Sec-Fetch-Site does not make up for it.
    assert not ours({"origin": origin, "sec-fetch-site": "same-origin"})


@pytest.mark.parametrize(
    ("site", "is_ours", "is_foreign"),
    [
        ("same-origin", True, False),
        ("same-site", False, True),
        ("cross-site", False, True),
        ("none", False, False),
        (None, False, False),
    ],
)
def test_without_an_origin_the_browser_says_which_site(
    *, site: str | None, is_ours: bool, is_foreign: bool
) -> None:
    headers = {} if site is None else {"sec-fetch-site": site}
    assert ours(headers) is is_ours
    assert foreign(headers) is is_foreign


def test_the_scheme_is_part_of_the_origin() -> None:
    assert ours({"origin": "http://keys.example.com"}, scheme="http")
    assert not ours({"origin": "https://keys.example.com"}, scheme="http")


@pytest.mark.parametrize(
    ("url", "trusted"),
    [
        ("/", True),
        ("/console/keys?x=//y", True),
        ("https://console.example.com", True),
        ("https://console.example.com/keys", True),
        ("//evil.example", False),
        ("/\\evil.example", False),
        ("https://console.example.com.evil.example", False),
        ("https://console.example.com@evil.example", False),
        ("http://console.example.com/", False),
        ("https://[", False),
        ("console", False),
        ("", False),
    ],
)
def test_callback_urls_that_are_accepted(*, url: str, trusted: bool) -> None:
    assert ORIGINS.trust(url) is trusted
