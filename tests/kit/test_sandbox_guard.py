"""What a sandbox begins with stays valid, whatever a run does."""

from typing import Any

import pytest
from support.sandboxes import Sandbox


def is_valid(world: Sandbox) -> bool:
    answers = [
        world.call("GET", "/auth/whoami"),
        world.call("GET", "/auth/get-session", headers=world.owner),
    ]
    return all(answer.status_code == 200 and answer.json() for answer in answers)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "/auth/api-keys/{key_id}", None),
        ("PATCH", "/auth/api-keys/{key_id}", {"enabled": False}),
        ("POST", "/auth/api-keys/{key_id}/rotations", {"grace_period_seconds": 0}),
        ("DELETE", "/environments/{env_id}", None),
        ("DELETE", "/organizations/{org_id}", None),
        ("DELETE", "/organizations/{org_id}/members/{member_id}", None),
        ("PATCH", "/organizations/{org_id}/members/{member_id}", {"role": "member"}),
        ("POST", "/auth/sign-out", {}),
    ],
)
def test_no_operation_ends_its_key_or_session(
    world: Sandbox, method: str, path: str, body: Any
) -> None:
    answer = world.call(method, path.format(**world.facts), body, world.owner)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert is_valid(world)


def test_its_key_is_not_revoked_by_its_secret_in_any_spelling(world: Sandbox) -> None:
    key = world.facts["key"]
    for spelt in (key, f" {key}\\n", f"\\u0068{key[1:]}"):
        answer = world.call(
            "POST",
            "/auth/api-keys/revoke",
            headers={"Content-Type": "application/json"},
            content=f'{{"key": "{spelt}"}}'.encode(),
        )
        assert answer.status_code == 403
        assert is_valid(world)


def test_its_session_is_not_ended_by_a_cookie_in_any_spelling(world: Sandbox) -> None:
    token = world.facts["session_token"]
    for spelt in (token, f"%{ord(token[0]):02x}{token[1:]}"):
        cookie = {"Cookie": f"better-auth.session_token={spelt}.c2lnbmF0dXJl"}
        answer = world.call("POST", "/auth/sign-out", headers=cookie)
        assert answer.status_code == 403
        assert is_valid(world)


def test_its_session_outlives_any_number_of_others(world: Sandbox) -> None:
    for _ in range(105):
        world.state("a live session")
    assert is_valid(world)


def test_signing_in_is_not_limited_while_the_clock_is_frozen(world: Sandbox) -> None:
    body = {name: world.facts[name] for name in ("email", "password")}
    answers = [world.call("POST", "/auth/sign-in/email", body, {}) for _ in range(62)]
    assert {answer.status_code for answer in answers} == {200}
