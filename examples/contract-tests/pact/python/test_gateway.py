"""What the gateway needs of the key service, as a pact."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gateway import (
    CHECK_SECONDS,
    FORBIDDEN,
    TOO_MANY_REQUESTS,
    UNAUTHORIZED,
    UNAVAILABLE,
    Decision,
    Gateway,
)
from pact import Pact, generate, match
from pact.match.matcher import GenericMatcher

PACTS = Path(__file__).parent / "pacts"

#: Examples for Pact's mock server. The verifier sends what the provider state returns instead.
CREDENTIAL = "hs_test_credential"
KEY = "hs_test_key"
KEY_ID = "ak_1"

JSON = "application/json"
#: Seconds as a header has them.
SECONDS = match.regex("1", regex=r"\d+")


def from_state(expression: str, example: str) -> GenericMatcher[str]:
    """A value of the provider state."""
    return GenericMatcher("type", value=example, generator=generate.provider_state(expression))


@pytest.fixture
def pact() -> Iterator[Pact]:
    """The pact, to which the test's interaction is written."""
    pact = Pact("gateway", "hookstream-keys").with_specification("V4")
    yield pact
    pact.write_file(PACTS)


def decide(pact: Pact, state: str, params: dict[str, Any], answer: dict[str, Any]) -> Decision:
    """What the gateway decides about a key with an answer of the mock server."""
    (
        pact.upon_receiving(f"a verification, given {state}")
        .given(state, params)
        .with_request("POST", "/v1/auth/api-keys/verify")
        .with_header("X-API-Key", from_state("${api_key}", CREDENTIAL))
        .with_body({"key": from_state("${key}", KEY), "scopes": "events:write"}, JSON)
        .will_respond_with(200)
        .with_body(answer, JSON)
    )
    with pact.serve() as server:
        return Gateway(f"{server.url}/v1", CREDENTIAL).decide(KEY, "events:write")


def test_a_valid_key_passes(pact: Pact) -> None:
    answer = {"valid": True, "code": "VALID", "api_key": {"id": match.str(KEY_ID)}}
    assert decide(pact, "an active key", {}, answer) == Decision(None, KEY_ID)


@pytest.mark.parametrize(
    ("state", "params", "code", "status"),
    [
        ("a disabled key", {}, "DISABLED", UNAUTHORIZED),
        ("an expired key", {}, "EXPIRED", UNAUTHORIZED),
        ("a revoked key", {"reason": "keyCompromise"}, "REVOKED", UNAUTHORIZED),
        ("a key of another tenant", {}, "NOT_FOUND", UNAUTHORIZED),
        ("an ended rotation", {}, "EXPIRED", UNAUTHORIZED),
        ("a key bound to an address", {"allowed_ips": ["192.0.2.7"]}, "IP_NOT_ALLOWED", FORBIDDEN),
        ("a key with few scopes", {"scopes": "events:read"}, "INSUFFICIENT_SCOPE", FORBIDDEN),
    ],
)
def test_a_key_that_is_not_valid_is_refused(
    pact: Pact, state: str, params: dict[str, Any], code: str, status: int
) -> None:
    answer = {"valid": False, "code": code}
    assert decide(pact, state, params, answer) == Decision(status)


def test_a_key_whose_limit_is_used_up_waits(pact: Pact) -> None:
    answer: dict[str, Any] = {
        "valid": False,
        "code": "RATE_LIMITED",
        "rate_limit": {"retry_after_seconds": match.int(3600)},
    }
    decision = decide(pact, "a key whose limit is used up", {"requests": 1}, answer)
    assert decision == Decision(TOO_MANY_REQUESTS, retry_after=3600)


def test_what_is_no_key_is_refused(pact: Pact) -> None:
    (
        pact.upon_receiving("a verification of what is no key")
        .with_request("POST", "/v1/auth/api-keys/verify")
        .with_header("X-API-Key", from_state("${api_key}", CREDENTIAL))
        .with_body({"key": "not-a-key", "scopes": "events:write"}, JSON)
        .will_respond_with(200)
        .with_body({"valid": False, "code": "MALFORMED"}, JSON)
    )
    with pact.serve() as server:
        decision = Gateway(f"{server.url}/v1", CREDENTIAL).decide("not-a-key", "events:write")
    assert decision == Decision(UNAUTHORIZED)


def test_it_fails_closed_without_an_answer(pact: Pact) -> None:
    # The state makes the next request of this operation fail. It returns no key: any will do.
    state = "the service is unavailable"
    params: dict[str, object] = {"operation": "verifyApiKey"}
    answer = {"status": 503, "code": "unavailable", "error": match.str("Try again later.")}
    interaction = (
        pact.upon_receiving("a verification while the service is unavailable")
        .given(state, params)
        .with_request("POST", "/v1/auth/api-keys/verify")
        .with_header("X-API-Key", from_state("${api_key}", CREDENTIAL))
        .with_body({"key": match.str(KEY), "scopes": "events:write"}, JSON)
    )
    interaction.will_respond_with(503).with_header("Retry-After", SECONDS).with_body(answer, JSON)
    with pact.serve() as server:
        decision = Gateway(f"{server.url}/v1", CREDENTIAL).decide(KEY, "events:write")
    assert decision == Decision(UNAVAILABLE, retry_after=1)


def test_its_own_credential_is_checked_later_when_the_limit_is_used_up(pact: Pact) -> None:
    interaction = (
        pact.upon_receiving("a check of the gateway's credential over the limit")
        .given("the organization's limit is used up")
        .with_request("GET", "/v1/auth/whoami")
        .with_header("X-API-Key", from_state("${api_key}", CREDENTIAL))
    )
    answer = {"status": 429, "code": "rate_limited", "error": match.str("Slow down.")}
    interaction.will_respond_with(429).with_header("Retry-After", SECONDS).with_body(answer, JSON)
    with pact.serve() as server:
        assert Gateway(f"{server.url}/v1", CREDENTIAL).check() == 1


def test_its_own_credential_is_accepted(pact: Pact) -> None:
    (
        pact.upon_receiving("a check of the gateway's credential")
        .with_request("GET", "/v1/auth/whoami")
        .with_header("X-API-Key", from_state("${api_key}", CREDENTIAL))
        .will_respond_with(200)
        .with_body({"org_id": match.str("org_1")}, JSON)
    )
    with pact.serve() as server:
        assert Gateway(f"{server.url}/v1", CREDENTIAL).check() == CHECK_SECONDS
