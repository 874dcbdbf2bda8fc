"""Who may read which part of the audit log."""

import pytest
from support.results import result_of
from unit.conftest import Engine
from unit.test_access import key_principal

from hookstream_keys.context.principal import Anonymous, Operator, Principal, SessionPrincipal
from hookstream_keys.domain import ids
from hookstream_keys.domain.errors import (
    ApiError,
    Forbidden,
    InsufficientScope,
    InternalError,
    OrganizationNotFound,
)
from hookstream_keys.domain.timestamps import now
from hookstream_keys.handlers.access import audit_filter
from hookstream_keys.handlers.context import RequestContext
from hookstream_keys.store import AuditFilter, Store, Tenant


def readable(store: Store, principal: Principal, org_id: str | None = None) -> AuditFilter:
    context = RequestContext(store, principal, ids.new("req"), None, now())
    return result_of(audit_filter(context, org_id))


def refusal(store: Store, principal: Principal, org_id: str | None = None) -> type[ApiError]:
    with pytest.raises(ApiError) as caught:
        readable(store, principal, org_id)
    return type(caught.value)


def test_a_key_reads_its_own_environment_and_no_more(store: Store, tenant: Tenant) -> None:
    for scopes in ("*", "audit-log:*", "events:read audit-log:read"):
        key = key_principal(tenant, scopes)
        expected = AuditFilter(tenant.tenancy.organization.id, tenant.tenancy.environment.id)
        assert readable(store, key) == expected
        assert readable(store, key, tenant.tenancy.organization.id) == expected
    for scopes in ("events:*", "audit-log:write", "audit:read"):
        key = key_principal(tenant, scopes)
        assert refusal(store, key) is InsufficientScope
        # What it may not know of comes before what it may not do.
        assert refusal(store, key, ids.new("org")) is OrganizationNotFound


@pytest.mark.parametrize("role", ["owner", "admin", "admin,owner", "member,admin"])
def test_owners_and_admins_read_their_organization(
    engine: Engine, store: Store, tenant: Tenant, role: str
) -> None:
    engine.run('update "member" set role = ?', role)
    session = SessionPrincipal("ses_1", tenant.user.id, tenant.tenancy.organization.id)
    assert readable(store, session) == AuditFilter(tenant.tenancy.organization.id)
    assert refusal(store, session, ids.new("org")) is OrganizationNotFound


@pytest.mark.parametrize("role", ["member", "", "owners", "Owner", "billing,member"])
def test_other_members_do_not(engine: Engine, store: Store, tenant: Tenant, role: str) -> None:
    engine.run('update "member" set role = ?', role)
    session = SessionPrincipal("ses_1", tenant.user.id, tenant.tenancy.organization.id)
    assert refusal(store, session) is Forbidden
    assert refusal(store, session, ids.new("org")) is OrganizationNotFound


def test_without_a_name_it_is_the_session_s_own(store: Store, tenant: Tenant) -> None:
    home = tenant.tenancy.organization.id
    assert readable(store, SessionPrincipal("ses_1", tenant.user.id, home)) == AuditFilter(home)
    assert refusal(store, SessionPrincipal("ses_1", tenant.user.id)) is OrganizationNotFound
    elsewhere = SessionPrincipal("ses_1", tenant.user.id, ids.new("org"))
    assert refusal(store, elsewhere) is OrganizationNotFound
    assert readable(store, elsewhere, home) == AuditFilter(home)


def test_a_user_without_an_organization_reads_nothing(store: Store, tenant: Tenant) -> None:
    outsider = SessionPrincipal("ses_1", ids.new("usr"))
    assert refusal(store, outsider) is OrganizationNotFound
    assert refusal(store, outsider, tenant.tenancy.organization.id) is OrganizationNotFound


def test_the_operator_names_one(store: Store) -> None:
    assert refusal(store, Operator()) is OrganizationNotFound
    assert readable(store, Operator(), "org_1") == AuditFilter("org_1")


def test_no_request_gets_this_far(store: Store) -> None:
    assert refusal(store, Anonymous()) is InternalError
    assert refusal(store, Anonymous(), "org_1") is InternalError
