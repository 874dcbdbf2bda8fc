"""The client and the guards against the sandbox: its faults after commit, and its seeded keys."""

from collections.abc import Iterator
from typing import Any

import pytest
from kit.client.both_clients import client_of
from kit.client.guarded_apps import (
    Setting,
    fastapi_app,
    flask_app,
    starlette_app,
)
from kit.client.guarded_django import django_app
from kit.client.sandbox import Sandbox, sandbox

from hookstream_keys_client import Client, ConnectionFailed, InvalidResponse, Unavailable

#: The server commits, and the client does not learn it.
AFTER_COMMIT: list[dict[str, Any]] = [
    {"when": "after_commit", "drop": True},
    {"when": "after_commit", "status": 503, "retry_after": 0},
    {"when": "after_commit", "status": 502},
    {"truncate": True},
    {"malformed": True},
]


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with sandbox() as running:
        yield running


@pytest.fixture(autouse=True)
def anew(box: Sandbox) -> None:
    """Every test begins with what the sandbox has at its start."""
    box.control("POST", "reset")


@pytest.fixture
def boxed(kind: str, box: Sandbox) -> Iterator[Client]:
    """A client of the sandbox."""
    with client_of(kind, box.url, box.key) as client:
        yield client


@pytest.mark.parametrize("fault", AFTER_COMMIT, ids=str)
def test_a_create_that_is_answered_wrongly_after_commit_creates_once(
    boxed: Client, box: Sandbox, fault: dict[str, Any]
) -> None:
    box.fail_next("createApiKey", times=2, **fault)
    created = boxed.create_api_key(
        name="Once", org_id=box.facts["org_id"], env_id=box.facts["env_id"]
    )
    received = box.received("createApiKey")
    assert len(received) == 3
    assert all(each["valid"] for each in received)
    assert [each["id"] for each in boxed.iter_api_keys(name="Once")] == [created["id"]]
    assert boxed.verify_api_key(key=created["key"])["valid"]
    events = boxed.iter_audit_log(resource_id=created["id"])
    assert [each["action"] for each in events] == ["api_key.created"]


@pytest.mark.parametrize("fault", AFTER_COMMIT, ids=str)
def test_a_rotation_that_is_answered_wrongly_after_commit_rotates_once(
    boxed: Client, box: Sandbox, fault: dict[str, Any]
) -> None:
    key_id = box.facts["keys"]["active"]["id"]
    box.fail_next("rotateApiKey", **fault)
    rotated = boxed.rotate_api_key(key_id, grace_period_seconds=60)
    assert len(box.received("rotateApiKey")) == 2
    pending = boxed.get_api_key(key_id)["rotations"]
    assert [each["id"] for each in pending] == [rotated["rotation"]["id"]]
    assert boxed.verify_api_key(key=rotated["key"])["valid"]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"drop": True}, ConnectionFailed),
        ({"when": "after_commit", "drop": True}, ConnectionFailed),
        ({"truncate": True}, ConnectionFailed),
        ({"malformed": True}, InvalidResponse),
    ],
    ids=str,
)
def test_a_cancellation_that_may_have_happened_is_not_repeated(
    boxed: Client, box: Sandbox, fault: dict[str, Any], error: type[Exception]
) -> None:
    pending = box.facts["keys"]["rotation_pending"]
    if "truncate" in fault or "malformed" in fault:
        # A response without a body cannot be damaged: this one has a body.
        box.fail_next("updateApiKey", **fault)
        with pytest.raises(error):
            boxed.update_api_key(pending["id"], name="Renamed")
        assert len(box.received("updateApiKey")) == 1
        return
    box.fail_next("cancelRotation", **fault)
    with pytest.raises(error):
        boxed.cancel_rotation(pending["id"], pending["rotation_id"])
    assert len(box.received("cancelRotation")) == 1
    left = boxed.get_api_key(pending["id"])["rotations"]
    assert len(left) == (0 if "when" in fault else 1)


def test_what_the_server_did_not_begin_is_repeated(boxed: Client, box: Sandbox) -> None:
    pending = box.facts["keys"]["rotation_pending"]
    box.fail_next("cancelRotation", status=503, retry_after=0, times=2)
    boxed.cancel_rotation(pending["id"], pending["rotation_id"])
    assert len(box.received("cancelRotation")) == 3
    box.fail_next("getApiKey", status=503, retry_after=0, times=3)
    with pytest.raises(Unavailable) as last:
        boxed.get_api_key(pending["id"])
    assert last.value.retry_after == 0
    assert len(box.received("getApiKey")) == 3


@pytest.mark.parametrize("app", [django_app, fastapi_app, flask_app, starlette_app])
def test_the_guards_and_all_seeded_keys(app: Any, box: Sandbox) -> None:
    expected = {
        "active": 200,
        "disabled": 401,
        "expired": 401,
        "revoked": 401,
        "ip_bound": 401,
        "out_of_scope": 403,
        "rate_limited": 429,
        "rotation_pending": 200,
        "rotation_in_grace": 200,
        "rotation_ended": 401,
    }
    assert set(expected) == set(box.facts["keys"])
    with app(Setting(box.url, box.key)) as get:
        for name, status in expected.items():
            answer = get("/events", {"X-API-Key": box.key_of(name)})
            assert answer.status_code == status, name
        state = {"state": "a key with few scopes", "params": {"scopes": "orders:read"}}
        narrow = box.control("POST", "states", state)["key"]
        assert get("/events", {"X-API-Key": narrow}).status_code == 403
        other = get("/events", {"X-API-Key": box.facts["other_tenant"]["key"]})
        assert other.status_code == 401
        box.fail_next("verifyApiKey", status=503, retry_after=30)
        answer = get("/events", {"X-API-Key": box.key_of("active")})
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
        # The grace period of the old secret ends.
        box.control("POST", "clock", {"advance_seconds": 7200})
        in_grace = box.facts["keys"]["rotation_in_grace"]
        codes = [get("/events", {"X-API-Key": in_grace[which]}) for which in ("key", "new_key")]
        assert [each.status_code for each in codes] == [401, 200]
