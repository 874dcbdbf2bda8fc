"""Retries against the real server behind a faulty proxy: what happened twice, and what did not."""

import secrets
import threading
import time

import pytest
from kit.client.both_clients import client_of
from kit.client.faulty_proxy import Fault, FaultyProxy, Status
from support import SOON, Server, Tenant

from hookstream_keys_client import (
    Client,
    ConnectionFailed,
    InvalidResponse,
    RateLimited,
    Retries,
    ServerError,
    Unavailable,
    operations,
)

UNAVAILABLE = (
    b'{"error": "The server is overloaded. Nothing was changed; try again.", "status": 503,'
    b' "request_id": "req_00000000000000000000000000000000", "code": "unavailable"}'
)

AFTER_COMMIT: list[Fault] = ["lose", "truncate", "garble"]


@pytest.fixture
def name() -> str:
    """A name of a key that no other test has."""
    return f"Retried {secrets.token_hex(6)}"


def count(server: Server, name: str) -> int:
    return int(
        server.database.execute("select count(*) from api_key where name = ?", (name,))[0][0]
    )


@pytest.mark.parametrize("fault", AFTER_COMMIT)
def test_a_create_whose_answer_is_lost_after_commit_creates_once(
    unsteady: Client, proxy: FaultyProxy, server: Server, tenant: Tenant, name: str, fault: Fault
) -> None:
    proxy.fail_next(fault, fault)
    created = unsteady.create_api_key(name=name, org_id=tenant.org_id, env_id=tenant.env_id)
    assert len(proxy.seen) == 3
    assert len({each.headers["Idempotency-Key"] for each in proxy.seen}) == 1
    assert len({each.body for each in proxy.seen}) == 1
    assert count(server, name) == 1
    # The secret is that of the first attempt, which the server has shown again.
    assert unsteady.verify_api_key(key=created["key"])["valid"]


@pytest.mark.parametrize("fault", AFTER_COMMIT)
def test_a_rotation_whose_answer_is_lost_rotates_once(
    unsteady: Client, proxy: FaultyProxy, tenant: Tenant, name: str, fault: Fault
) -> None:
    created = unsteady.create_api_key(name=name, org_id=tenant.org_id, env_id=tenant.env_id)
    proxy.fail_next(fault)
    rotated = unsteady.rotate_api_key(created["id"], grace_period_seconds=60)
    pending = unsteady.get_api_key(created["id"])["rotations"]
    assert [each["id"] for each in pending] == [rotated["rotation"]["id"]]


@pytest.mark.parametrize("fault", [*AFTER_COMMIT, "drop", Status(502), Status(503), Status(504)])
def test_a_change_that_may_have_happened_is_not_sent_again(
    unsteady: Client, proxy: FaultyProxy, tenant: Tenant, name: str, fault: Fault
) -> None:
    created = unsteady.create_api_key(name=name, org_id=tenant.org_id, env_id=tenant.env_id)
    proxy.fail_next(fault)
    with pytest.raises((ConnectionFailed, InvalidResponse, ServerError)) as failed:
        unsteady.update_api_key(created["id"], enabled=False)
    assert len(proxy.seen) == 1
    if isinstance(failed.value, ConnectionFailed):
        assert failed.value.may_have_happened
    # Whether it did is for the caller to find out.
    assert unsteady.get_api_key(created["id"])["enabled"] is (fault not in AFTER_COMMIT)


@pytest.mark.parametrize("status", [429, 503])
def test_a_change_that_the_server_refused_to_begin_is_sent_again(
    unsteady: Client, proxy: FaultyProxy, tenant: Tenant, name: str, status: int
) -> None:
    created = unsteady.create_api_key(name=name, org_id=tenant.org_id, env_id=tenant.env_id)
    proxy.fail_next(Status(status, UNAVAILABLE, retry_after="0"))
    assert unsteady.update_api_key(created["id"], enabled=False)["enabled"] is False
    assert len(proxy.seen) == 2


@pytest.mark.parametrize("fault", [*AFTER_COMMIT, "drop", Status(502), Status(503), Status(504)])
def test_reads_verifications_and_revocations_are_sent_again(
    unsteady: Client, proxy: FaultyProxy, tenant: Tenant, name: str, fault: Fault
) -> None:
    created = unsteady.create_api_key(name=name, org_id=tenant.org_id, env_id=tenant.env_id)
    proxy.fail_next(fault)
    assert unsteady.verify_api_key(key=created["key"])["valid"]
    proxy.fail_next(fault)
    assert unsteady.get_api_key(created["id"])["name"] == name
    # A response without a body cannot be broken off or garbled.
    if fault not in ("truncate", "garble"):
        proxy.fail_next(fault)
        unsteady.revoke_api_key(created["id"])
        assert len(proxy.seen) == 2
    unsteady.revoke_api_key(created["id"])
    assert unsteady.verify_api_key(key=created["key"])["code"] == "REVOKED"


def test_attempts_are_bounded_and_the_last_error_is_raised(
    unsteady: Client, proxy: FaultyProxy
) -> None:
    proxy.fail_next("drop", "drop", Status(503, UNAVAILABLE), "drop")
    with pytest.raises(Unavailable) as last:
        unsteady.whoami()
    assert last.value.code == "unavailable"
    assert len(proxy.seen) == 3


def test_retry_after_is_waited_for(kind: str, proxy: FaultyProxy, tenant: Tenant) -> None:
    with client_of(kind, proxy.url, tenant.key, Retries(first_delay=0)) as client:
        proxy.fail_next(Status(503, UNAVAILABLE, retry_after="1"))
        begun = time.monotonic()
        client.whoami()
        assert 1 <= time.monotonic() - begun < 3
        proxy.fail_next(Status(429, UNAVAILABLE, retry_after="11"))
        begun = time.monotonic()
        with pytest.raises(RateLimited) as limited:
            client.whoami()
        assert time.monotonic() - begun < 1
        assert limited.value.retry_after == 11
        assert len(proxy.seen) == 1


def test_a_proxys_page_is_an_error_that_says_so(unsteady: Client, proxy: FaultyProxy) -> None:
    proxy.fail_next(Status(500))
    with pytest.raises(ServerError, match="500 : not in the API's error format") as failed:
        unsteady.whoami()
    assert (failed.value.code, failed.value.request_id) == ("", None)
    odd = b'{"error": {"message": 1}, "code": 7, "details": [3]}'
    proxy.fail_next(Status(418, odd))
    with pytest.raises(Exception, match="418 : not in the API's error format"):
        unsteady.whoami()


def test_members_and_codes_of_a_later_server_are_passed_on(
    unsteady: Client, proxy: FaultyProxy
) -> None:
    proxy.fail_next(Status(200, b'{"valid": false, "code": "QUOTA_USED_UP", "hint": {"a": [1]}}'))
    found = unsteady.verify_api_key(key="x")
    assert found == {"valid": False, "code": "QUOTA_USED_UP", "hint": {"a": [1]}}


@pytest.mark.parametrize("fault", ["hang", "slow head", "slow body"])
def test_a_deadline_ends_an_operation_whatever_the_response_does(
    unsteady: Client, proxy: FaultyProxy, fault: Fault
) -> None:
    proxy.fail_next(fault)
    begun = time.monotonic()
    with pytest.raises(ConnectionFailed) as late:
        unsteady.send(operations.verify_api_key(key="hs_live_late"), deadline=0.4)
    assert 0.4 <= time.monotonic() - begun < SOON
    assert str(late.value).startswith("POST /auth/api-keys/verify: ")
    assert late.value.may_have_happened
    # Neither has the request.
    assert late.value.__cause__ is late.value.__context__ is None
    # With the time that it needs, the same client is answered.
    assert unsteady.send(operations.whoami(), deadline=10)["type"] == "api_key"


def test_a_retry_after_beyond_the_deadline_is_not_waited_for(
    unsteady: Client, proxy: FaultyProxy
) -> None:
    proxy.fail_next(Status(503, UNAVAILABLE, "7"))
    begun = time.monotonic()
    with pytest.raises(Unavailable) as busy:
        unsteady.send(operations.whoami(), Retries(count=1), deadline=5)
    assert busy.value.retry_after == 7
    assert time.monotonic() - begun < SOON
    assert len(proxy.seen) == 1


def test_other_exceptions_pass_through_a_deadline() -> None:
    client = Client("http://127.0.0.1:9/v1")
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.send(operations.whoami(), deadline=5)


def test_a_process_without_a_thread_left_is_a_failed_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    # A limit of the operating system does not hold for root, who may run the tests.
    monkeypatch.setattr(threading.Thread, "start", start)
    with Client("http://127.0.0.1:9/v1") as client, pytest.raises(ConnectionFailed) as failed:
        client.send(operations.whoami(), deadline=5)
    assert not failed.value.may_have_happened
