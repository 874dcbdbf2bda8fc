"""The client with the real server: all codes, 429, 503, lost answers, and a grace period's end."""

from typing import get_args

import httpx
import pytest
from key_service import ATTEMPTS, KeyService, RateLimited

from hookstream_keys.testing import KeyState, Sandbox

CODES: dict[KeyState, str] = {
    "active": "VALID",
    "disabled": "DISABLED",
    "expired": "EXPIRED",
    "revoked": "REVOKED",
    "ip_bound": "IP_NOT_ALLOWED",
    "out_of_scope": "INSUFFICIENT_SCOPE",
    "rate_limited": "RATE_LIMITED",
    "other_tenant": "NOT_FOUND",
}


@pytest.mark.parametrize("state", get_args(KeyState))
def test_every_state_has_its_code(
    service: KeyService, hookstream_keys: Sandbox, state: KeyState
) -> None:
    key = hookstream_keys.key(state)
    assert service.verify(key.key, "events:write") == CODES[state]


def test_what_is_no_key_is_malformed(service: KeyService) -> None:
    assert service.verify("not-a-key") == "MALFORMED"


def test_the_old_secret_is_accepted_until_the_grace_period_ends(
    service: KeyService, hookstream_keys: Sandbox
) -> None:
    rotated = hookstream_keys.rotation("grace", grace_period_seconds=300)
    assert service.verify(rotated.key) == service.verify(rotated.new_key) == "VALID"
    hookstream_keys.advance(minutes=5)
    assert service.verify(rotated.key) == "EXPIRED"
    assert service.verify(rotated.new_key) == "VALID"


def test_a_rate_limit_says_when_to_try_again(service: KeyService, hookstream_keys: Sandbox) -> None:
    key = hookstream_keys.key()
    hookstream_keys.fail_next("verifyApiKey", 429, retry_after=7)
    with pytest.raises(RateLimited) as caught:
        service.verify(key.key)
    assert caught.value.retry_after == 7
    assert service.verify(key.key) == "VALID"


def test_503_is_tried_again(service: KeyService, hookstream_keys: Sandbox) -> None:
    key = hookstream_keys.key()
    hookstream_keys.fail_next("verifyApiKey", 503, times=ATTEMPTS - 1)
    assert service.verify(key.key) == "VALID"
    hookstream_keys.fail_next("verifyApiKey", 503, times=ATTEMPTS)
    with pytest.raises(httpx.HTTPStatusError):
        service.verify(key.key)


def test_a_lost_answer_makes_no_second_key(service: KeyService, hookstream_keys: Sandbox) -> None:
    hookstream_keys.drop_next("createApiKey", after_commit=True)
    created = service.create("Worker", hookstream_keys.org_id, hookstream_keys.env_id)
    first, second = hookstream_keys.requests("createApiKey")
    assert (first.status, second.status) == (None, 201)
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert service.verify(created["key"]) == "VALID"


def test_the_client_sends_what_the_document_allows(
    service: KeyService, hookstream_keys: Sandbox
) -> None:
    service.create("Worker", hookstream_keys.org_id, hookstream_keys.env_id)
    service.verify(hookstream_keys.key().key, "events:read", "events:write")
    hookstream_keys.assert_requests_valid()
