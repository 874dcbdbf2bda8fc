from typing import Any

import pytest
from support.results import result_of
from unit import samples
from unit.conftest import Engine

from hookstream_keys.auth import verification
from hookstream_keys.context.principal import (
    Anonymous,
    KeyPrincipal,
    Operator,
    Principal,
    SessionPrincipal,
)
from hookstream_keys.contract import types
from hookstream_keys.domain import ids, keys
from hookstream_keys.domain.errors import (
    ApiError,
    EnvironmentNotFound,
    InsufficientScope,
    InternalError,
)
from hookstream_keys.domain.scopes import Scopes
from hookstream_keys.domain.timestamps import now
from hookstream_keys.handlers.api_keys import create_api_key
from hookstream_keys.handlers.context import WriteContext
from hookstream_keys.store import Store, Tenant


def key_principal(tenant: Tenant, scopes: str, **changes: str) -> KeyPrincipal:
    values: dict[str, Any] = {
        "key_id": tenant.key.id,
        "org_id": tenant.tenancy.organization.id,
        "env_id": tenant.tenancy.environment.id,
        "scopes": Scopes.parse(scopes),
    }
    return KeyPrincipal(**(values | changes))


def create(
    store: Store,
    tenant: Tenant,
    principal: Principal,
    *,
    scopes: str = "*",
    org_id: str | None = None,
    env_id: str | None = None,
) -> dict[str, Any]:
    body: types.CreateApiKeyRequest = {
        "name": "Another key",
        "org_id": org_id or tenant.tenancy.organization.id,
        "env_id": env_id or tenant.tenancy.environment.id,
        "scopes": scopes,
    }
    context = WriteContext(store, principal, ids.new("req"), "203.0.113.7", now())
    answer = result_of(create_api_key(context, body))
    assert answer[1] == 201
    created: dict[str, Any] = answer[0]
    return created


def refusal(store: Store, tenant: Tenant, principal: Principal, **changes: str) -> ApiError:
    with pytest.raises(ApiError) as caught:
        create(store, tenant, principal, **changes)
    return caught.value


def test_a_member_creates_a_key(store: Store, tenant: Tenant) -> None:
    created = create(store, tenant, SessionPrincipal("ses_1", tenant.user.id))
    found = result_of(verification.verify(store, keys.digest_of(created["key"]), samples.USE))
    assert found.code == "VALID"
    assert found.key is not None
    assert found.key.created_by == tenant.user.id


def test_the_operator_creates_a_key(store: Store, tenant: Tenant) -> None:
    created = create(store, tenant, Operator())
    found = result_of(verification.verify(store, keys.digest_of(created["key"]), samples.USE))
    assert found.key is not None
    assert found.key.created_by is None


def test_a_key_creates_a_key_in_its_own_environment(store: Store, tenant: Tenant) -> None:
    created = create(store, tenant, key_principal(tenant, "*"))
    found = result_of(verification.verify(store, keys.digest_of(created["key"]), samples.USE))
    assert found.key is not None
    assert found.key.created_by == tenant.key.id


@pytest.mark.parametrize(
    ("own", "wanted"),
    [
        ("*", "*"),
        ("*", "events:read"),
        ("api-keys:create", "api-keys:create"),
        ("api-keys:* events:*", "events:read events:* api-keys:create"),
        ("api-keys:create events:read", "events:read"),
    ],
)
def test_a_key_grants_what_it_has(store: Store, tenant: Tenant, own: str, wanted: str) -> None:
    created = create(store, tenant, key_principal(tenant, own), scopes=wanted)
    assert created["scopes"] == wanted


@pytest.mark.parametrize(
    ("own", "wanted", "beyond"),
    [
        ("api-keys:*", "*", ["*"]),
        ("api-keys:create", "api-keys:*", ["api-keys:*"]),
        ("api-keys:create events:read", "events:read events:write", ["events:write"]),
        ("api-keys:* event:*", "events:read,api-keys:create", ["events:read"]),
    ],
)
def test_a_key_grants_no_more_than_it_has(
    store: Store, tenant: Tenant, own: str, wanted: str, beyond: list[str]
) -> None:
    error = refusal(store, tenant, key_principal(tenant, own), scopes=wanted)
    assert isinstance(error, InsufficientScope)
    assert [detail.location for detail in error.details] == ["body/scopes"] * len(beyond)
    assert [detail.message.split()[0] for detail in error.details] == beyond


@pytest.mark.parametrize("own", ["events:*", "api-keys:read", "api-keys.x:create", "api:*"])
def test_a_key_without_the_scope_creates_none(store: Store, tenant: Tenant, own: str) -> None:
    error = refusal(store, tenant, key_principal(tenant, own), scopes=own)
    assert isinstance(error, InsufficientScope)
    assert "api-keys:create" in error.message


def test_inaccessible_resources_do_not_exist_for_the_caller(store: Store, tenant: Tenant) -> None:
    elsewhere = ids.new("env")
    attempts: list[tuple[Principal, dict[str, str]]] = [
        (key_principal(tenant, "*", env_id=elsewhere), {}),
        (key_principal(tenant, "*", org_id=ids.new("org")), {}),
        # It lacks the scope as well, and is not told.
        (key_principal(tenant, "events:read", env_id=elsewhere), {}),
        (key_principal(tenant, "*"), {"env_id": elsewhere}),
        (key_principal(tenant, "*", env_id=elsewhere), {"env_id": elsewhere}),
        (SessionPrincipal("ses_1", ids.new("usr")), {}),
        (SessionPrincipal("ses_1", tenant.user.id), {"org_id": ids.new("org")}),
        (SessionPrincipal("ses_1", tenant.user.id), {"env_id": elsewhere}),
        (Operator(), {"env_id": elsewhere}),
    ]
    bodies = []
    for principal, changes in attempts:
        error = refusal(store, tenant, principal, **changes)
        assert isinstance(error, EnvironmentNotFound)
        bodies.append(error.body("req"))
    assert all(body == bodies[0] for body in bodies)


def test_no_request_gets_this_far(store: Store, tenant: Tenant) -> None:
    assert isinstance(refusal(store, tenant, Anonymous()), InternalError)


def test_a_refused_key_is_not_stored(engine: Engine, store: Store, tenant: Tenant) -> None:
    refusal(store, tenant, key_principal(tenant, "events:*"))
    assert engine.run("select id from api_key") == [(tenant.key.id,)]
    assert engine.run("select count(*) from audit_log") == [(len(samples.events(tenant)),)]
