"""Secrets are in no `repr`, no exception, no traceback and no log."""

import gc
import json
import logging
import pickle
import traceback
import types
from typing import Any

import pytest
from kit.client.faulty_proxy import FaultyProxy, Status
from support import Tenant

from hookstream_keys_client import (
    AsyncClient,
    Client,
    ConnectionFailed,
    HookstreamError,
    NotFound,
    Secret,
)
from hookstream_keys_client.operations import create_api_key, verify_api_key

SECRET = "hs_live_" + "0123456789abcdef" * 4


def reachable_from(start: object) -> list[object]:
    """Everything that an object refers to, and what that refers to; not modules and classes."""
    seen: dict[int, object] = {}
    waiting = [start]
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, type | types.ModuleType | types.FunctionType):
            continue
        seen[id(each)] = each
        waiting += gc.get_referents(each)
    return list(seen.values())


def test_a_client_and_an_operation_show_no_secret() -> None:
    for cls in (Client, AsyncClient):
        client = cls("http://127.0.0.1/v1", SECRET)
        assert repr(client) == f"{cls.__name__}('http://127.0.0.1/v1')"
        assert SECRET not in repr(vars(client))
    operation = verify_api_key(key=SECRET)
    assert SECRET not in repr(operation)
    assert operation.content == json.dumps({"key": SECRET}).encode()
    create = create_api_key(name="n", org_id="o", env_id="e", idempotency_key=SECRET)
    assert SECRET not in repr(create)


def test_a_new_key_is_a_string_whose_repr_is_its_prefix(client: Client, tenant: Tenant) -> None:
    created = client.create_api_key(name="Shown", org_id=tenant.org_id, env_id=tenant.env_id)
    rotated = client.rotate_api_key(created["id"], grace_period_seconds=0)
    for response in (created, rotated):
        key = response["key"]
        assert isinstance(key, Secret)
        assert key not in repr(response)
        assert repr(key) == f"Secret('{key[:12]}…')"
        assert f"{key}" == json.loads(json.dumps(key)) == str(key) != repr(key)
    assert client.verify_api_key(key=rotated["key"])["valid"]


@pytest.mark.parametrize(
    "fault", ["drop", "lose", "truncate", "garble", Status(200, SECRET.encode()), Status(500)]
)
def test_no_exception_refers_to_a_secret(
    unsteady: Client, proxy: FaultyProxy, tenant: Tenant, fault: Any
) -> None:
    # Not in the source as it is: a frame shows its line.
    key = Secret(SECRET)
    proxy.fail_next(*[fault] * 3)
    with pytest.raises(HookstreamError) as failed:
        unsteady.verify_api_key(key=key)
    error = failed.value
    assert error.__cause__ is None
    assert error.__context__ is None
    shown = "".join(
        traceback.TracebackException.from_exception(error, capture_locals=True).format()
    )
    assert "in next_step" in shown
    for secret in (SECRET, tenant.key):
        # The fixtures of this test have the tenant; its frames are pytest's, not the package's.
        inside = shown.partition("client.py")[2]
        assert secret not in inside
    # An error reporter that walks through the exception's attributes finds nothing, either.
    error.__traceback__ = None
    texts = [each for each in reachable_from(error) if isinstance(each, str | bytes)]
    assert texts
    assert not any(secret in str(each) for each in texts for secret in (SECRET, tenant.key))


def test_the_logs_of_all_libraries_have_no_secret(
    client: Client, tenant: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        created = client.create_api_key(name="Logged", org_id=tenant.org_id, env_id=tenant.env_id)
        client.verify_api_key(key=created["key"])
    assert "/auth/api-keys/verify" in caplog.text
    assert created["key"] not in caplog.text
    assert tenant.key not in caplog.text


def test_errors_can_be_pickled_for_another_process(user: Client) -> None:
    error = ConnectionFailed("GET /health: ReadTimeout", may_have_happened=True)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - it was made a line above
    assert (type(again), str(again), vars(again)) == (ConnectionFailed, str(error), vars(error))
    with pytest.raises(NotFound) as missing:
        user.get_api_key("ak_none")
    again = pickle.loads(pickle.dumps(missing.value))  # noqa: S301 - the client made it
    assert vars(again) == vars(missing.value)
    assert again.code == "api_key_not_found"
