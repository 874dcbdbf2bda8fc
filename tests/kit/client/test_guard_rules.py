"""What the guards decide is what the API's document and RFC 6750 say."""

import re

import pytest

from hookstream_keys.contract import spec
from hookstream_keys_client.guards import Rejected, Rules, decision

SCHEMAS = spec.document()["components"]["schemas"]


def test_every_verification_code_has_its_status_in_the_table() -> None:
    assert {"VALID", *decision.STATUSES} == set(SCHEMAS["VerificationCode"]["enum"])
    assert set(decision.STATUSES.values()) == {401, 403, 429}


def test_a_key_that_the_api_would_refuse_as_too_long_is_not_sent() -> None:
    longest = SCHEMAS["Secret"]["maxLength"]
    rules = Rules()
    assert rules.question({"x-api-key": "k" * longest}.get, None, None) == {"key": "k" * longest}
    with pytest.raises(Rejected, match="401 unauthorized"):
        rules.question({"x-api-key": "k" * (longest + 1)}.get, None, None)


SCOPES = ["a:b", "a:*", "*", "a:b c:d", "a:b,c:d", "a:b, c:d", "a.b-c_d:e", "a:b  c:d", "a:b ", ""]
SCOPES += ["a", "a:", ":b", "a:b;c:d", 'a:b"', "ä:b", "a:b\n", "x" * 64 + ":y", "x" * 65 + ":y"]


@pytest.mark.parametrize("text", [*SCOPES, " ".join(["aaaa:bbbb"] * 101)])
def test_scopes_are_those_that_the_api_accepts(text: str) -> None:
    schema = SCHEMAS["RequiredScopes"]
    pattern = schema["pattern"].removeprefix("^").removesuffix("$")
    accepted = re.fullmatch(pattern, text) and len(text) <= schema["maxLength"]
    if accepted:
        assert decision.required_scopes(text) == text
    elif text:
        with pytest.raises(ValueError, match="such as 'events:read'"):
            decision.required_scopes(text)
    else:
        assert decision.required_scopes(text) is decision.required_scopes(None) is None


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::", "::"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6"),
        ("192.0.2.1:80", None),
        ("192.0.2.01", None),
        ("testclient", None),
        ("", None),
        (None, None),
    ],
)
def test_an_address_is_written_as_the_api_accepts_it(text: str | None, address: str | None) -> None:
    assert decision.ip_address(text) == address
    pattern = SCHEMAS["VerifyRequest"]["properties"]["ip"]["pattern"]
    assert address is None or re.search(pattern, address)


def test_a_challenge_lists_scopes_separated_by_spaces() -> None:
    found = {"valid": False, "code": "INSUFFICIENT_SCOPE"}
    with pytest.raises(Rejected) as rejected:
        Rules(realm="my events").principal(found, "a:b, c:d,e:f")  # type: ignore[arg-type]
    assert rejected.value.headers == {
        "WWW-Authenticate": (
            'Bearer realm="my events", error="insufficient_scope", scope="a:b c:d e:f"'
        )
    }
    assert rejected.value.body == {
        "error": "The key's scopes do not cover a:b c:d e:f.",
        "status": 403,
        "code": "insufficient_scope",
    }


@pytest.mark.parametrize("realm", ["", 'a"b', "a\\b", "a\r\nb", "ä"])
def test_a_realm_that_would_break_the_header_is_refused(realm: str) -> None:
    with pytest.raises(ValueError, match="realm is text in ASCII"):
        Rules(realm=realm)


def test_sources_that_do_not_exist_are_refused() -> None:
    for sources in ((), ("cookie",)):
        with pytest.raises(ValueError, match="sources are"):
            Rules(sources=sources)  # type: ignore[arg-type]


@pytest.mark.parametrize("seconds", [0, -1, 61, float("nan"), float("inf")])
def test_a_deadline_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match=r"such as 2\.5"):
        Rules(deadline=seconds)
    assert Rules(deadline=0.1).deadline < Rules().deadline == decision.DEADLINE <= 3
