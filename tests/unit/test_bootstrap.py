import json
from datetime import UTC, datetime

import pytest
from support.results import result_of
from unit import samples
from unit.conftest import Engine

from hookstream_keys.auth import verification
from hookstream_keys.context.principal import Operator
from hookstream_keys.domain import ids, keys, passwords
from hookstream_keys.handlers.bootstrap import FirstTenant, create_first_tenant
from hookstream_keys.handlers.context import RequestContext
from hookstream_keys.store import Store

PASSWORD = "a password for tests"
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def create(store: Store) -> FirstTenant | None:
    return result_of(
        create_first_tenant(
            RequestContext(store, Operator(), ids.new("req"), None, NOON),
            store,
            org="My organization",
            env="Production",
            email="owner@example.com",
            password_hash=passwords.hashed(PASSWORD),
        )
    )


@pytest.fixture
def first(store: Store) -> FirstTenant:
    made = create(store)
    assert made is not None
    return made


def test_the_first_key_is_valid(store: Store, first: FirstTenant) -> None:
    found = result_of(verification.verify(store, keys.digest_of(first.key), samples.USE))
    assert found.code == "VALID"
    assert found.key == first.tenant.key
    assert found.key.scopes == "*"
    assert first.key.startswith(found.key.prefix)


def test_the_owner_s_password_is_stored_as_a_hash(engine: Engine, first: FirstTenant) -> None:
    ((stored,),) = engine.run('select password from "account"')
    assert passwords.matches(PASSWORD, stored)
    assert PASSWORD not in stored


def test_everything_belongs_together(first: FirstTenant) -> None:
    tenant = first.tenant
    assert tenant.tenancy.environment.org_id == tenant.tenancy.organization.id
    assert (tenant.tenancy.member.org_id, tenant.tenancy.member.user_id) == (
        tenant.tenancy.organization.id,
        tenant.user.id,
    )
    assert tenant.tenancy.member.role == "owner"
    assert (tenant.key.org_id, tenant.key.env_id) == (
        tenant.tenancy.organization.id,
        tenant.tenancy.environment.id,
    )
    assert tenant.key.created_by == tenant.user.id
    assert tenant.user.email == "owner@example.com"
    assert tenant.tenancy.organization.slug == "my-organization"
    assert tenant.tenancy.environment.mode == "live"


def test_the_audit_log_begins_with_it(engine: Engine, first: FirstTenant) -> None:
    tenant = first.tenant
    rows = engine.run(
        "select action, resource_id, org_id, user_id, ip_address, created_at "
        "from audit_log order by seq"
    )
    common = (tenant.tenancy.organization.id, None, None, "2026-11-24T12:00:00.000Z")
    assert rows == [
        ("organization.created", tenant.tenancy.organization.id, *common),
        ("environment.created", tenant.tenancy.environment.id, *common),
        ("api_key.created", tenant.key.id, *common),
    ]
    assert len({event.request_id for event in samples.events(tenant)}) == 1


def test_the_audit_log_does_not_have_the_secret(engine: Engine, first: FirstTenant) -> None:
    rows = engine.run("select * from audit_log")
    assert first.key not in json.dumps(rows)
    assert first.tenant.key_digest.hex() not in json.dumps(rows)


@pytest.mark.usefixtures("engine")
def test_a_second_bootstrap_changes_nothing(store: Store, first: FirstTenant) -> None:
    assert create(store) is None
    assert (
        result_of(verification.verify(store, keys.digest_of(first.key), samples.USE)).code
        == "VALID"
    )


def test_repr_shows_no_secret(first: FirstTenant) -> None:
    shown = repr(first)
    for secret in (
        first.key,
        first.key[12:],
        PASSWORD,
        first.tenant.credential.password_hash,
        repr(first.tenant.key_digest),
    ):
        assert secret not in shown
    assert first.tenant.key.prefix in shown
