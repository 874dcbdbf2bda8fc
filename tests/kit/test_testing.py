"""`hookstream_keys.testing`: what tests in Python say to a sandbox, and what they get."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.client import IncompleteRead, RemoteDisconnected
from typing import Any, get_args

import pytest

from hookstream_keys import testing
from hookstream_keys.sandbox.document import document
from hookstream_keys.testing import PendingFault, Sandbox, SandboxError, running_sandbox
from hookstream_keys.testing.sandbox import (
    KEY_STATES,
    ROTATION_STATES,
    SESSION_STATES,
    KeyState,
    RotationState,
    SessionState,
    StateParams,
)

SCHEMAS = document()["components"]["schemas"]


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with running_sandbox(["--seed", "5"]) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.reset()
    return running


def send(
    sandbox: Sandbox, method: str, path: str, body: Any = None, session: str | None = None
) -> tuple[int, dict[str, Any]]:
    """Send a request with the sandbox's key, or a session: status and body of the answer."""
    credential = (
        {"Authorization": f"Bearer {session}"} if session else {"X-API-Key": sandbox.api_key}
    )
    request = urllib.request.Request(  # noqa: S310 - the sandbox's own address
        sandbox.base_url + path,
        None if body is None else json.dumps(body).encode(),
        {"Content-Type": "application/json", **credential},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310 - likewise
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def code(sandbox: Sandbox, key: str) -> str:
    body = {"key": key, "scopes": "events:write"}
    return str(send(sandbox, "POST", "/auth/api-keys/verify", body)[1]["code"])


def test_every_public_name_exists() -> None:
    assert sorted(testing.__all__) == sorted(testing._MODULES)
    for name in testing.__all__:
        assert getattr(testing, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = testing.nothing


def test_the_words_are_the_control_api_s() -> None:
    assert set(get_args(KeyState)) == set(KEY_STATES)
    assert set(get_args(RotationState)) == set(ROTATION_STATES)
    assert set(get_args(SessionState)) == set(SESSION_STATES)
    named = {*KEY_STATES.values(), *ROTATION_STATES.values(), *SESSION_STATES.values()}
    assert named <= set(SCHEMAS["State"]["enum"])
    assert set(StateParams.__annotations__) <= set(SCHEMAS["StateParams"]["properties"])
    recorded = set(SCHEMAS["RecordedRequest"]["properties"])
    assert set(testing.RecordedRequest.__slots__) == recorded - {"at"}


def test_keys_of_every_state(sandbox: Sandbox) -> None:
    codes = {state: code(sandbox, sandbox.key(state).key) for state in KEY_STATES}
    assert codes == {
        "active": "VALID",
        "disabled": "DISABLED",
        "expired": "EXPIRED",
        "revoked": "REVOKED",
        "ip_bound": "IP_NOT_ALLOWED",
        "out_of_scope": "INSUFFICIENT_SCOPE",
        "rate_limited": "RATE_LIMITED",
        "other_tenant": "NOT_FOUND",
    }


def test_rotations_of_every_state(sandbox: Sandbox) -> None:
    found = {}
    for state in ROTATION_STATES:
        key = sandbox.rotation(state)
        assert key.rotation_id
        # The new secret last: its first use begins the grace period.
        found[state] = [code(sandbox, key.key), code(sandbox, key.new_key)]
    assert found == {
        "pending": ["VALID", "VALID"],
        "grace": ["VALID", "VALID"],
        "ended": ["EXPIRED", "VALID"],
    }


def test_sessions_environments_and_other_states(sandbox: Sandbox) -> None:
    sessions = {state: sandbox.session(state) for state in SESSION_STATES}
    statuses = {
        state: send(sandbox, "GET", "/auth/whoami", session=token)[0]
        for state, token in sessions.items()
    }
    assert statuses == {"live": 200, "expired": 401}
    made = sandbox.environment(name="Stage")
    status, answer = send(sandbox, "GET", f"/environments/{made.id}", session=sessions["live"])
    assert (status, answer["environment"]["name"]) == (200, "Stage")
    assert answer["environment"]["slug"] == made.slug
    assert sandbox.state("the organization's limit is used up")["org_id"] == sandbox.org_id
    assert send(sandbox, "GET", "/auth/whoami")[0] == 429


def test_the_parameters_of_a_state(sandbox: Sandbox) -> None:
    key = sandbox.key(name="Mine", scopes="logs:read", expires_in_seconds=60)
    shown = send(sandbox, "GET", f"/auth/api-keys/{key.id}")[1]["api_key"]
    assert (shown["name"], shown["scopes"]) == ("Mine", "logs:read")
    sandbox.advance(minutes=1)
    assert code(sandbox, key.key) == "EXPIRED"


def test_the_clock(sandbox: Sandbox) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    assert sandbox.now() == begin
    assert sandbox.advance(hours=1, minutes=5) == datetime(2026, 1, 1, 1, 5, tzinfo=UTC)
    moment = datetime(2027, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert sandbox.set_clock(moment) == sandbox.now() == moment
    with pytest.raises(ValueError, match="no time zone"):
        sandbox.set_clock(datetime(2027, 2, 3))  # noqa: DTZ001 - it is what is refused
    sandbox.run_clock()
    deadline = time.monotonic() + 10
    while sandbox.now() == moment:
        assert time.monotonic() < deadline
    sandbox.freeze_clock()
    assert sandbox.now() == sandbox.now()


def test_faults(sandbox: Sandbox) -> None:
    sandbox.fail_next("whoami", 429, retry_after=3, times=2)
    sandbox.drop_next("whoami")
    sandbox.damage_next("whoami", "malformed")
    sandbox.damage_next("whoami", "truncate")
    assert [send(sandbox, "GET", "/auth/whoami")[0] for _ in range(2)] == [429, 429]
    with pytest.raises(RemoteDisconnected):
        send(sandbox, "GET", "/auth/whoami")
    with pytest.raises(json.JSONDecodeError):
        send(sandbox, "GET", "/auth/whoami")
    with pytest.raises(IncompleteRead):
        send(sandbox, "GET", "/auth/whoami")
    assert send(sandbox, "GET", "/auth/whoami")[0] == 200
    assert [request.fault for request in sandbox.requests("whoami")] == [True] * 5 + [False]
    sandbox.fail_next("whoami", 503)
    sandbox.clear_faults()
    assert send(sandbox, "GET", "/auth/whoami")[0] == 200


def test_faults_after_the_commit(sandbox: Sandbox) -> None:
    body = {"name": "Lost", "org_id": sandbox.org_id, "env_id": sandbox.env_id}
    before = len(_keys(sandbox))
    sandbox.fail_next("createApiKey", 503)
    sandbox.fail_next("createApiKey", 503, after_commit=True)
    for made in (0, 1):
        assert send(sandbox, "POST", "/auth/api-keys", body)[0] == 503
        assert len(_keys(sandbox)) == before + made


def _keys(sandbox: Sandbox) -> list[dict[str, Any]]:
    keys: list[dict[str, Any]] = send(sandbox, "GET", "/auth/api-keys?limit=100")[1]["api_keys"]
    return keys


def test_a_delay_is_of_real_time(sandbox: Sandbox) -> None:
    sandbox.delay_next("getHealth", seconds=0.2)
    before = datetime.now(UTC)
    assert send(sandbox, "GET", "/health")[0] == 200
    assert (datetime.now(UTC) - before).total_seconds() >= 0.2


def test_requests_are_recorded_without_secrets(sandbox: Sandbox) -> None:
    send(sandbox, "POST", "/auth/api-keys", {"name": "No organization"})
    (request,) = sandbox.requests()
    assert (request.method, request.path) == ("POST", "/v1/auth/api-keys")
    assert (request.operation, request.status, request.valid) == ("createApiKey", 400, False)
    assert request.body == {"name": "No organization"}
    assert sandbox.api_key not in repr(request)
    assert sandbox.requests("whoami") == []
    with pytest.raises(AssertionError, match=r"1\. POST /v1/auth/api-keys: body/?\w* .*required"):
        sandbox.assert_requests_valid()


def test_valid_requests_are_asserted(sandbox: Sandbox) -> None:
    send(sandbox, "GET", "/auth/whoami")
    sandbox.assert_requests_valid()


def test_mistakes_in_a_test_are_explained(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError, match="createApiKey"):
        sandbox.fail_next("createKey", 503)
    with pytest.raises(SandboxError, match="body/state"):
        sandbox.state("a key of gold")
    with pytest.raises(ValueError, match="there is no key state 'golden'; there are: active, "):
        sandbox.key("golden")  # type: ignore[arg-type]  # it is what is refused


def test_a_tenant_is_used_as_the_sandbox_is_and_deleted_by_its_reset(sandbox: Sandbox) -> None:
    tenant = sandbox.create_tenant("other")
    assert tenant.org_id != sandbox.org_id
    assert code(sandbox, tenant.key().key) == "NOT_FOUND"
    assert code(tenant, tenant.key("revoked").key) == "REVOKED"
    tenant.advance(hours=1)
    assert tenant.now() - sandbox.now() == timedelta(hours=1)
    tenant.reset()
    assert tenant.now() == sandbox.now()
    sandbox.reset()
    with pytest.raises(SandboxError):
        tenant.now()
    assert sandbox.create_tenant("other").org_id == tenant.org_id


def test_a_tenant_is_deleted_by_its_name(sandbox: Sandbox) -> None:
    sandbox.create_tenant("other")
    with pytest.raises(SandboxError, match="A tenant has this name"):
        sandbox.create_tenant("other")
    sandbox.delete_tenant("other")
    sandbox.create_tenant("other")
    sandbox.delete_tenant("other")
    with pytest.raises(SandboxError, match="There is no such tenant"):
        sandbox.delete_tenant("other")


def test_a_tenant_makes_tenants_of_its_own(sandbox: Sandbox) -> None:
    workers = [sandbox.create_tenant(name) for name in ("gw0", "gw1")]
    others = [worker.create_tenant("other") for worker in workers]
    assert len({each.org_id for each in (sandbox, *workers, *others)}) == 5
    workers[0].reset()
    with pytest.raises(SandboxError):
        others[0].now()
    assert others[1].now()
    others[1].create_tenant("further")
    sandbox.reset()
    for name in ("gw0-other", "gw1-other", "gw1-other-further"):
        sandbox.create_tenant(name)


def test_tenants_that_something_else_has_deleted_hinder_no_reset(sandbox: Sandbox) -> None:
    sandbox.create_tenant("other")
    request = urllib.request.Request(  # noqa: S310 - the sandbox's own address
        f"{sandbox.control_url}/tenants/other", method="DELETE"
    )
    urllib.request.urlopen(request, timeout=20).close()  # noqa: S310 - likewise
    sandbox.reset()
    sandbox.create_tenant("other")


def test_faults_that_no_request_has_used_are_an_error(sandbox: Sandbox) -> None:
    sandbox.assert_faults_used()
    sandbox.fail_next("whoami", 503, times=2, retry_after=2)
    sandbox.drop_next("createApiKey", after_commit=True)
    assert sandbox.faults() == [
        PendingFault("whoami", 2, "before", {"status": 503, "retry_after": 2}),
        PendingFault("createApiKey", 1, "after_commit", {"drop": True}),
    ]
    send(sandbox, "GET", "/auth/whoami")
    assert [fault.times for fault in sandbox.faults()] == [1, 1]
    with pytest.raises(AssertionError) as raised:
        sandbox.assert_faults_used()
    assert str(raised.value).splitlines() == [
        "faults that no request has used:",
        "whoami: {'status': 503, 'retry_after': 2}, times: 1",
        "createApiKey: {'drop': True}, times: 1",
    ]
    send(sandbox, "GET", "/auth/whoami")
    sandbox.clear_faults()
    sandbox.assert_faults_used()
