"""A principal is checked again inside the write transaction, and only there."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from support.results import result_of, together
from unit import samples
from unit.conftest import Engine

from hookstream_keys.context.principal import (
    Anonymous,
    KeyPrincipal,
    Operator,
    Principal,
    SessionPrincipal,
)
from hookstream_keys.contract import types
from hookstream_keys.domain import ids, keys, timestamps
from hookstream_keys.domain.errors import InsufficientScope, Unauthorized
from hookstream_keys.domain.scopes import Scopes
from hookstream_keys.handlers.api_keys import create_api_key, revoke_api_key
from hookstream_keys.handlers.context import Dependencies, RequestContext, WriteContext
from hookstream_keys.handlers.recheck import write_context
from hookstream_keys.store import ApiKey, Store, Tenant

Checked = Callable[..., WriteContext]


@pytest.fixture
def checked(store: Store) -> Checked:
    """A write call for a principal, as the server makes it inside a transaction."""
    credentials = Dependencies().credentials(store)

    def check(principal: Principal, *, optional: bool = False) -> WriteContext:
        arrived = timestamps.now() - timedelta(seconds=2)
        context = RequestContext(store, principal, ids.new("req"), "203.0.113.7", arrived)
        return result_of(write_context(context, store, credentials.current, optional=optional))

    return check


def stored_key(store: Store, tenant: Tenant, **rules: object) -> KeyPrincipal:
    """A new key of the tenant, as the principal that it was when its request arrived."""
    new = keys.generate("live")
    key: ApiKey = samples.key_of(tenant.tenancy.environment, prefix=new.prefix, **rules)
    result_of(store.add_key(key, new.digest, samples.event_of(key)))
    return KeyPrincipal(key.id, key.org_id, key.env_id, Scopes.parse(key.scopes), new.digest)


def signed_in(engine: Engine, store: Store, tenant: Tenant) -> SessionPrincipal:
    engine.add_session("token", tenant.user.id, "2099-01-01T00:00:00.000Z")
    session = result_of(store.find_session("token", samples.NOON))
    assert session is not None
    return SessionPrincipal(session.id, session.user_id, session.org_id)


def body(tenant: Tenant) -> types.CreateApiKeyRequest:
    environment = tenant.tenancy.environment
    return {"name": "Child", "org_id": environment.org_id, "env_id": environment.id, "scopes": "*"}


CHANGES: dict[str, dict[str, object]] = {
    "disabled": {"enabled": False},
    "expired": {"expires_at": samples.NOON},
    "bound to another network": {"allowed_ips": ("198.51.100.0/24",)},
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_key_that_was_restricted_since_is_refused(
    store: Store, tenant: Tenant, checked: Checked, change: str
) -> None:
    principal = stored_key(store, tenant)
    event = samples.event_of(tenant.key)
    assert result_of(store.update_key(principal.org_id, principal.key_id, CHANGES[change], event))
    with together(store), pytest.raises(Unauthorized):
        checked(principal)


def test_a_revocation_and_a_creation_in_one_group_commit_are_one_after_the_other(
    store: Store, tenant: Tenant, checked: Checked
) -> None:
    principal = stored_key(store, tenant)
    with together(store):
        before = result_of(create_api_key(checked(principal), body(tenant)))
        operator = checked(Operator())
        result_of(revoke_api_key(operator, principal.key_id, "keyCompromise", descendants=False))
        with pytest.raises(Unauthorized):
            result_of(create_api_key(checked(principal), body(tenant)))
    assert result_of(store.find_key_by_id(before[0]["id"]))


def test_scopes_are_those_of_the_transaction(
    store: Store, tenant: Tenant, checked: Checked
) -> None:
    principal = stored_key(store, tenant)
    result_of(
        store.update_key(
            principal.org_id,
            principal.key_id,
            {"scopes": "events:read"},
            samples.event_of(tenant.key),
        )
    )
    with together(store), pytest.raises(InsufficientScope):
        result_of(create_api_key(checked(principal), body(tenant)))


def test_a_session_that_has_ended_is_refused_unless_a_credential_is_optional(
    engine: Engine, store: Store, tenant: Tenant, checked: Checked
) -> None:
    principal = signed_in(engine, store, tenant)
    with together(store):
        assert checked(principal).principal == principal
    assert result_of(store.end_session(principal.session_id, samples.event_of(tenant.key)))
    with together(store):
        with pytest.raises(Unauthorized):
            checked(principal)
        assert checked(principal, optional=True).principal == Anonymous()


def test_a_session_is_refused_when_it_is_another_user_s(
    engine: Engine, store: Store, tenant: Tenant, checked: Checked
) -> None:
    found = signed_in(engine, store, tenant)
    other = SessionPrincipal(found.session_id, ids.new("usr"), found.org_id)
    with together(store), pytest.raises(Unauthorized):
        checked(other)


@pytest.mark.parametrize("principal", [Operator(), Anonymous()])
def test_a_caller_without_a_credential_passes_the_recheck(
    store: Store, checked: Checked, principal: Principal
) -> None:
    with together(store):
        assert checked(principal).principal == principal


def test_the_moment_is_that_of_the_transaction(store: Store, checked: Checked) -> None:
    begun = timestamps.now()
    with together(store):
        assert checked(Operator()).now >= begun


def test_there_is_no_write_call_outside_a_write_transaction(store: Store, checked: Checked) -> None:
    with pytest.raises(RuntimeError, match="inside the write transaction"):
        checked(Operator())
    # The transaction of another thread is none of this one's.
    with together(store), ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError):
        pool.submit(checked, Operator()).result()


@pytest.mark.usefixtures("sqlite")
def test_a_thread_that_only_reads_can_begin_no_change(store: Store, tenant: Tenant) -> None:
    failures: list[Exception] = []

    def read_and_try_to_write() -> None:
        store.forbid_writes()
        assert result_of(store.find_key_by_id(tenant.key.id))
        for change in (
            lambda: result_of(
                store.revoke_key(
                    tenant.key.org_id,
                    tenant.key.id,
                    samples.NOON,
                    "superseded",
                    samples.event_of(tenant.key),
                )
            ),
            lambda: together(store).__enter__(),
        ):
            try:
                change()
            except RuntimeError as error:
                failures.append(error)

    thread = threading.Thread(target=read_and_try_to_write)
    thread.start()
    thread.join()
    assert len(failures) == 2
    found = result_of(store.find_key_by_id(tenant.key.id))
    assert found is not None
    assert found.revoked_at is None
