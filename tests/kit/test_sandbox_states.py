"""Every provider state is what it says, with each of its parameters."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from support import assert_error, cookie
from support.sandboxes import Sandbox, World

#: The codes that verifications answer for the keys of the facts.
SEEDED = {
    "active": "VALID",
    "disabled": "DISABLED",
    "expired": "EXPIRED",
    "revoked": "REVOKED",
    "ip_bound": "IP_NOT_ALLOWED",
    "out_of_scope": "INSUFFICIENT_SCOPE",
    "rate_limited": "RATE_LIMITED",
    "rotation_pending": "VALID",
    "rotation_in_grace": "VALID",
    "rotation_ended": "EXPIRED",
}

#: Each state of one key, and what a verification answers for it.
STATES = {
    "an active key": "VALID",
    "a disabled key": "DISABLED",
    "an expired key": "EXPIRED",
    "a revoked key": "REVOKED",
    "a key bound to an address": "IP_NOT_ALLOWED",
    "a key with few scopes": "VALID",
    "a key whose limit is used up": "RATE_LIMITED",
    "a pending rotation": "VALID",
    "a rotation in its grace period": "VALID",
    "an ended rotation": "EXPIRED",
    "a key of another tenant": "NOT_FOUND",
}


def shown(world: World, key_id: str) -> dict[str, Any]:
    """The key as the API shows it."""
    answer = world.call("GET", f"/auth/api-keys/{key_id}")
    assert answer.status_code == 200, answer.text
    key: dict[str, Any] = answer.json()["api_key"]
    return key


@pytest.mark.parametrize("name", SEEDED)
def test_a_key_of_the_facts_is_what_its_name_says(world: Sandbox, name: str) -> None:
    key = world.facts["keys"][name]
    required = {"scopes": "events:write"} if name in ("out_of_scope", "active") else {}
    assert world.code(key["key"], **required) == SEEDED[name]
    if "new_key" in key:
        assert world.code(key["new_key"]) == "VALID"


@pytest.mark.parametrize("state", STATES)
def test_a_state_of_a_key_is_what_it_says(world: Sandbox, state: str) -> None:
    values = world.state(state)
    assert {"org_id", "env_id", "key_id", "key"} <= set(values)
    assert world.code(values["key"]) == STATES[state]


@pytest.mark.parametrize("state", STATES)
def test_every_call_makes_another_key(world: Sandbox, state: str) -> None:
    first, second = world.state(state), world.state(state)
    assert first["key_id"] != second["key_id"]
    assert first["key"] != second["key"]


@pytest.mark.parametrize("state", sorted(set(STATES) - {"a key of another tenant"}))
def test_each_key_has_the_fields_that_the_parameters_name(world: Sandbox, state: str) -> None:
    fields = {
        "name": "Named",
        "scopes": "a:read b:write",
        "external_id": "customer-7",
        "metadata": {"plan": "pro"},
    }
    key = shown(world, world.state(state, **fields)["key_id"])
    assert {name: key[name] for name in fields} == fields


def test_null_parameters_are_those_of_a_state_without_any(world: Sandbox) -> None:
    answer = world.do("POST", "/states", {"state": "an active key", "params": None})
    assert world.code(answer["key"]) == "VALID"


def test_a_teardown_makes_nothing(world: Sandbox) -> None:
    before = world.call("GET", "/auth/api-keys?limit=100").json()["api_keys"]
    assert world.do("POST", "/states", {"state": "an active key", "action": "teardown"}) == {}
    after = world.call("GET", "/auth/api-keys?limit=100").json()["api_keys"]
    assert [key["id"] for key in after] == [key["id"] for key in before]


def test_an_environment_can_be_used_and_has_the_name_given(world: Sandbox) -> None:
    values = world.state("an environment", name="Staging")
    path = f"/environments/{values['env_id']}"
    found = world.call("GET", path, headers=world.owner).json()["environment"]
    assert (found["name"], found["slug"], found["mode"]) == ("Staging", values["slug"], "test")
    body = world.body(env_id=values["env_id"])
    made = world.call("POST", "/auth/api-keys", body, headers=world.owner).json()
    assert made["key"].startswith("hs_test_")


def test_an_active_key_expires_and_is_limited_as_the_parameters_say(world: Sandbox) -> None:
    key = world.state("an active key", expires_in_seconds=60, requests=2, window_seconds=30)
    assert [world.code(key["key"]) for _ in range(3)] == ["VALID", "VALID", "RATE_LIMITED"]
    world.advance(59)
    assert world.code(key["key"]) == "VALID"
    world.advance(1)
    assert world.code(key["key"]) == "EXPIRED"


def test_an_active_key_is_bound_to_the_networks_given(world: Sandbox) -> None:
    key = world.state("an active key", allowed_ips=["198.51.100.0/24"])["key"]
    assert world.code(key, ip="198.51.100.7") == "VALID"
    assert world.code(key, ip="192.0.2.7") == "IP_NOT_ALLOWED"


def test_a_revoked_key_has_the_reason_given(world: Sandbox) -> None:
    key_id = world.state("a revoked key", reason="superseded")["key_id"]
    assert shown(world, key_id)["revocation_reason"] == "superseded"


def test_a_bound_key_is_valid_from_its_networks_only(world: Sandbox) -> None:
    bound = world.state("a key bound to an address")
    assert bound["allowed_ips"] == ["192.0.2.0/24"]
    assert world.code(bound["key"], ip="192.0.2.1") == "VALID"
    other = world.state("a key bound to an address", allowed_ips=["2001:db8::/32"])["key"]
    assert world.code(other, ip="2001:db8::1") == "VALID"
    assert world.code(other, ip="192.0.2.1") == "IP_NOT_ALLOWED"


def test_a_key_with_few_scopes_has_those_given_and_no_others(world: Sandbox) -> None:
    narrow = world.state("a key with few scopes")["key"]
    assert world.code(narrow, scopes="reports:read") == "VALID"
    assert world.code(narrow, scopes="events:read") == "INSUFFICIENT_SCOPE"
    assert_error(
        world.call("GET", "/auth/api-keys", headers={"X-API-Key": narrow}),
        403,
        "insufficient_scope",
    )
    other = world.state("a key with few scopes", scopes="events:write")["key"]
    assert world.code(other, scopes="events:write") == "VALID"


def test_a_used_up_limit_is_the_one_given_and_is_free_again_in_time(world: Sandbox) -> None:
    key = world.state("a key whose limit is used up", requests=2, window_seconds=100)["key"]
    outcome = world.verify(key)
    assert outcome["code"] == "RATE_LIMITED"
    limit = {"remaining": 0, "reset_seconds": 100, "retry_after_seconds": 50}
    assert outcome["rate_limit"] == limit
    # A leaky bucket: one of two requests is free after half of the window.
    world.advance(50)
    assert [world.code(key), world.code(key)] == ["VALID", "RATE_LIMITED"]


@pytest.mark.parametrize(
    ("state", "old", "later"),
    [
        # The grace period begins with the first use of the new secret.
        ("a pending rotation", "VALID", "VALID"),
        ("a rotation in its grace period", "VALID", "EXPIRED"),
        ("an ended rotation", "EXPIRED", "EXPIRED"),
    ],
)
def test_a_rotation_has_the_grace_period_given(
    world: Sandbox, state: str, old: str, later: str
) -> None:
    made = world.state(state, grace_period_seconds=100)
    rotations = shown(world, made["key_id"])["rotations"]
    if old == "VALID":
        assert [(each["id"], each["grace_period_seconds"]) for each in rotations] == [
            (made["rotation_id"], 100)
        ]
    else:
        assert not rotations
    assert world.code(made["key"]) == old
    world.advance(99)
    assert world.code(made["key"]) == old
    world.advance(1)
    assert world.code(made["key"]) == later
    assert world.code(made["new_key"]) == "VALID"


def test_a_live_session_is_accepted_in_both_forms(world: Sandbox) -> None:
    token = world.state("a live session")["session_token"]
    for headers in (
        {"Authorization": f"Bearer {token}"},
        {"Cookie": cookie(token, secret=world.facts["auth_secret"])},
    ):
        found = world.call("GET", "/auth/whoami", headers=headers)
        assert found.json()["user_id"] == world.facts["user_id"]


def _of_state(world: World) -> str:
    token: str = world.state("an expired session")["session_token"]
    return token


def _of_facts(world: World) -> str:
    token: str = world.facts["sessions"]["expired"]
    return token


@pytest.mark.parametrize("token_of", [_of_state, _of_facts])
def test_an_expired_session_is_refused(world: Sandbox, token_of: Callable[[World], str]) -> None:
    headers = {"Authorization": f"Bearer {token_of(world)}"}
    assert_error(world.call("GET", "/auth/whoami", headers=headers), 401, "unauthorized")


def test_another_tenants_key_is_like_one_that_does_not_exist(world: Sandbox) -> None:
    other = world.state("a key of another tenant")
    assert other["org_id"] == world.facts["other_tenant"]["org_id"] != world.facts["org_id"]
    path = f"/auth/api-keys/{other['key_id']}"
    assert_error(world.call("GET", path), 404, "api_key_not_found")
    # It is valid in its own organization.
    assert world.call("GET", path, headers={"X-API-Key": other["key"]}).status_code == 200


def test_a_used_up_organization_is_answered_429_until_its_time(world: Sandbox) -> None:
    found = world.state("the organization's limit is used up")
    assert found == {"api_key": world.facts["key"], "org_id": world.facts["org_id"]}
    refused = world.call("GET", "/auth/api-keys")
    assert_error(refused, 429, "rate_limited")
    assert int(refused.headers["Retry-After"]) >= 1
    # Verification is not counted, and another organization has its own limit.
    assert world.code(world.facts["keys"]["active"]["key"]) == "VALID"
    other = {"X-API-Key": world.facts["other_tenant"]["key"]}
    assert world.call("GET", "/auth/api-keys", headers=other).status_code == 200
    world.advance(60)
    assert world.call("GET", "/auth/api-keys").status_code == 200


def test_an_interaction_without_a_state_gets_what_a_request_needs(world: Sandbox) -> None:
    assert world.state("") == {
        "api_key": world.facts["key"],
        "org_id": world.facts["org_id"],
        "env_id": world.facts["env_id"],
    }


def test_a_teardown_ends_what_changes_the_answers_to_others(world: Sandbox) -> None:
    unavailable = {
        "state": "the service is unavailable",
        "params": {"operation": "whoami", "times": 9},
    }
    limited = {"state": "the organization's limit is used up"}
    world.fail("getHealth", status=503)
    for state, status in ((unavailable, 503), (limited, 429)):
        world.do("POST", "/states", {**state, "action": "setup"})
        assert world.call("GET", "/auth/whoami").status_code == status
        assert world.do("POST", "/states", {**state, "action": "teardown"}) == {}
        assert world.call("GET", "/auth/whoami").status_code == 200
    # A fault of another operation stays.
    assert world.call("GET", "/health").status_code == 503


@pytest.mark.parametrize("params", [{}, {"operation": "listApiKeys", "times": 2, "retry_after": 9}])
def test_an_unavailable_service_is_503_for_the_operation_given(
    world: Sandbox, params: dict[str, Any]
) -> None:
    world.state("the service is unavailable", **params)

    def ask() -> httpx.Response:
        if params:
            return world.call("GET", "/auth/api-keys")
        return world.call("POST", "/auth/api-keys/verify", {"key": world.facts["key"]})

    for _ in range(params.get("times", 1)):
        refused = ask()
        assert_error(refused, 503, "unavailable")
        assert refused.headers["Retry-After"] == str(params.get("retry_after", 1))
    assert ask().status_code == 200


@pytest.mark.parametrize(
    ("body", "location"),
    [
        ({"state": "a lost key"}, "body/state"),
        ({}, "body"),
        ({"state": "an active key", "params": {"color": "red"}}, "body/params"),
        ({"state": "a revoked key", "params": {"reason": "mood"}}, "body/params/reason"),
        ({"state": "an active key", "params": {"scopes": "no scope"}}, "body/params/scopes"),
        (
            {"state": "an active key", "params": {"allowed_ips": ["here"]}},
            "body/params/allowed_ips/0",
        ),
        ({"state": "an active key", "action": "undo"}, "body/action"),
        (
            {"state": "the service is unavailable", "params": {"operation": "makeKey"}},
            "body/params/operation",
        ),
    ],
)
def test_what_no_state_has_is_refused(world: Sandbox, body: Any, location: str) -> None:
    refused = world.control("POST", "/states", body)
    found = assert_error(refused, 400, "bad_request", location)
    if location == "body/state":
        # All states are listed.
        for state in (*STATES, "an environment", "an expired session"):
            assert state in found["details"][0]["message"]
