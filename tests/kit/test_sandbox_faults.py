"""A fault does what it names: which requests fail, before or after the commit, how often."""

import time
from typing import Any

import httpx
import pytest
from support import assert_error
from support.sandboxes import Sandbox

CREATE, VERIFY, LIST = "createApiKey", "verifyApiKey", "listApiKeys"

#: The code of the API's error with each status.
CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    413: "content_too_large",
    415: "unsupported_media_type",
    429: "rate_limited",
    500: "internal_error",
    503: "unavailable",
}


def names(world: Sandbox) -> list[str]:
    """The names of all keys, without those that the sandbox began with."""
    keys = world.call("GET", "/auth/api-keys?limit=100").json()["api_keys"]
    return [key["name"] for key in keys if key["created_at"] == world.facts["now"]]


def create(world: Sandbox, name: str = "Key", idempotency_key: str | None = None) -> httpx.Response:
    more = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
    return world.call("POST", "/auth/api-keys", world.body(name=name), {**world.key, **more})


@pytest.mark.parametrize("status", CODES)
@pytest.mark.parametrize("when", ["before", "after_commit"])
def test_an_error_has_the_apis_format_and_happens_once(
    world: Sandbox, status: int, when: str
) -> None:
    world.fail(CREATE, status=status, when=when)
    assert_error(create(world, "Failed"), status, CODES[status])
    assert names(world) == (["Failed"] if when == "after_commit" else [])
    assert create(world).status_code == 201


@pytest.mark.parametrize("status", [502, 504])
@pytest.mark.parametrize("retry_after", [None, 7])
def test_a_proxys_error_is_a_page_in_html(
    world: Sandbox, status: int, retry_after: int | None
) -> None:
    more = {} if retry_after is None else {"retry_after": retry_after}
    world.fail(CREATE, status=status, **more)
    failed = create(world)
    assert failed.status_code == status
    assert failed.headers["content-type"] == "text/html"
    assert failed.headers.get("retry-after") == (retry_after and str(retry_after))
    assert failed.text.startswith("<html>")
    assert "x-request-id" not in failed.headers


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("given", [None, 0, 30])
def test_a_client_is_told_when_to_retry(world: Sandbox, status: int, given: int | None) -> None:
    world.fail(VERIFY, status=status, **({} if given is None else {"retry_after": given}))
    failed = world.call("POST", "/auth/api-keys/verify", {"key": world.facts["key"]})
    assert_error(failed, status, CODES[status])
    seconds = str(1 if given is None else given)
    assert failed.headers["Retry-After"] == seconds
    limits = {
        name: failed.headers.get(name)
        for name in ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
    }
    if status == 429:
        assert list(limits.values()) == ["60", "0", seconds]
    else:
        assert set(limits.values()) == {None}


def test_a_401_has_a_challenge(world: Sandbox) -> None:
    world.fail(LIST, status=401)
    refused = world.call("GET", "/auth/api-keys")
    assert refused.headers["WWW-Authenticate"].startswith("Bearer ")


@pytest.mark.parametrize("when", ["before", "after_commit"])
def test_a_dropped_connection_has_no_answer(world: Sandbox, when: str) -> None:
    world.fail(CREATE, drop=True, when=when)
    with pytest.raises(httpx.RemoteProtocolError, match="disconnected without sending"):
        create(world, "Lost")
    assert names(world) == (["Lost"] if when == "after_commit" else [])
    assert world.requests(CREATE)[0]["status"] is None


def test_a_truncated_answer_ends_before_its_length(world: Sandbox) -> None:
    world.fail(CREATE, truncate=True)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
        create(world, "Half")
    assert names(world) == ["Half"]


def test_a_malformed_answer_is_whole_but_no_json(world: Sandbox) -> None:
    world.fail(CREATE, malformed=True)
    answer = create(world, "Half")
    assert answer.status_code == 201
    assert int(answer.headers["content-length"]) == len(answer.content) > 0
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        answer.json()
    assert names(world) == ["Half"]


@pytest.mark.parametrize("how", [{}, {"status": 503}])
def test_a_delay_is_in_real_time_and_delays_no_other_request(
    world: Sandbox, how: dict[str, Any]
) -> None:
    world.fail(LIST, delay_ms=300, **how)
    begun = time.monotonic()
    slow = world.call("GET", "/auth/api-keys")
    assert time.monotonic() - begun >= 0.3
    assert slow.status_code == how.get("status", 200)
    # The clock of the sandbox has not moved.
    assert world.do("GET", "/clock")["now"] == world.facts["now"]
    assert world.call("GET", "/auth/api-keys").status_code == 200


@pytest.mark.parametrize(
    "how", [{"status": 503}, {"drop": True}, {"truncate": True}, {"malformed": True}]
)
def test_a_retry_with_the_same_idempotency_key_gets_the_lost_answer(
    world: Sandbox, how: dict[str, Any]
) -> None:
    world.fail(CREATE, when="after_commit", **how)
    try:
        first = create(world, "Once", "attempt-00000001")
    except httpx.RemoteProtocolError:
        pass
    else:
        assert "key" not in (first.json() if "status" in how else {})
    retried = create(world, "Once", "attempt-00000001")
    assert retried.status_code == 201
    assert retried.headers["Idempotency-Replayed"] == "true"
    assert world.code(retried.json()["key"]) == "VALID"
    assert names(world) == ["Once"]


def test_a_retry_without_it_makes_a_second_key(world: Sandbox) -> None:
    world.fail(CREATE, drop=True, when="after_commit")
    with pytest.raises(httpx.RemoteProtocolError):
        create(world, "Twice")
    create(world, "Twice")
    assert names(world) == ["Twice", "Twice"]


def test_faults_of_an_operation_follow_one_another_and_leave_others_alone(world: Sandbox) -> None:
    world.fail(CREATE, status=503, times=2)
    world.fail(CREATE, status=429)
    world.fail(LIST, status=500)
    assert [world.code(world.facts["key"]), create(world).status_code] == ["VALID", 503]
    assert world.do("GET", "/faults")["faults"] == [
        {"operation": CREATE, "times": 1, "when": "before", "status": 503},
        {"operation": CREATE, "times": 1, "when": "before", "status": 429},
        {"operation": LIST, "times": 1, "when": "before", "status": 500},
    ]
    assert [create(world).status_code for _ in range(3)] == [503, 429, 201]
    assert world.call("GET", "/auth/api-keys").status_code == 500
    assert world.do("GET", "/faults") == {"faults": []}


def test_faults_can_be_cleared(world: Sandbox) -> None:
    world.fail(CREATE, status=503, times=1000)
    world.do("DELETE", "/faults")
    assert create(world).status_code == 201


def test_a_fault_strikes_before_the_credential_is_checked(world: Sandbox) -> None:
    world.fail(LIST, status=503)
    assert world.call("GET", "/auth/api-keys", headers={}).status_code == 503
    assert world.call("GET", "/auth/api-keys", headers={}).status_code == 401


@pytest.mark.parametrize(
    ("body", "location", "told"),
    [
        ({"operation": "dance", "status": 503}, "body/operation", "createApiKey"),
        ({"operation": CREATE}, "body", "status, drop, truncate and malformed, or delay_ms"),
        ({"operation": CREATE, "retry_after": 1}, "body", "status, drop"),
        ({"operation": CREATE, "status": 503, "drop": True}, "body", "status, drop"),
        ({"operation": CREATE, "drop": False}, "body/drop", "true"),
        ({"operation": CREATE, "status": 418}, "body/status", "400, 401, 403"),
        ({"operation": CREATE, "status": 503, "times": 0}, "body/times", "1"),
        ({"operation": CREATE, "status": 503, "when": "later"}, "body/when", "after_commit"),
        ({"operation": CREATE, "delay_ms": 60_001}, "body/delay_ms", "60000"),
    ],
)
def test_what_is_no_fault_is_refused_with_what_there_is(
    world: Sandbox, body: Any, location: str, told: str
) -> None:
    refused = world.control("POST", "/faults", body)
    found = assert_error(refused, 400, "bad_request", location)
    assert told in found["details"][0]["message"]
    assert world.do("GET", "/faults") == {"faults": []}


@pytest.mark.parametrize("damage", ["truncate", "malformed"])
def test_an_answer_without_a_body_is_dropped(world: Sandbox, damage: str) -> None:
    key_id = world.create()["id"]
    world.fail("revokeApiKey", **{damage: True})
    with pytest.raises(httpx.RemoteProtocolError):
        world.call("DELETE", f"/auth/api-keys/{key_id}")
    # It was done.
    assert world.call("GET", f"/auth/api-keys/{key_id}").json()["api_key"]["revoked"] == 1
