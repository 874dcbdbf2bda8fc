"""Signing up, in and out: what every engine must do."""

import dataclasses
from datetime import datetime, timedelta

import pytest
from support.results import result_of
from unit import samples
from unit.conftest import Engine
from unit.test_store_conformance import at_once, counts

from hookstream_keys.auth import sessions
from hookstream_keys.domain import ids, timestamps
from hookstream_keys.domain.sources import SYSTEM_RANDOM
from hookstream_keys.store import (
    AuditEvent,
    Credential,
    ForeignKeyViolation,
    Session,
    SessionBound,
    Store,
    Tenancy,
    Tenant,
    UniqueViolation,
    User,
)
from hookstream_keys.store.sql.sessions import MAX_ENDED_AT_ONCE

NOON = datetime.fromisoformat(samples.NOON)
LATER = timestamps.to_text(NOON + timedelta(days=1))


def session_of(user: User, **changes: str) -> Session:
    values = {
        "id": ids.new("ses"),
        "user_id": user.id,
        "token": sessions.new_token(SYSTEM_RANDOM),
        "expires_at": timestamps.to_text(NOON + timedelta(days=7)),
        "created_at": samples.NOON,
        "updated_at": samples.NOON,
        "ip_address": "203.0.113.7",
        "user_agent": "curl",
    }
    return Session(**(values | changes))


def tenancy_of(user: User, tenant: Tenant) -> Tenancy:
    home = samples.organization()
    event = samples.event_of(tenant.key, action="organization.created")
    return Tenancy(home, samples.member(home, user), samples.environment(home), (event,))


def sign_up(store: Store, tenant: Tenant, user: User) -> tuple[Credential, Tenancy, Session]:
    credential = Credential(ids.new("acc"), user.id, "salt:hash", samples.NOON)
    tenancy, session = tenancy_of(user, tenant), session_of(user)
    event = samples.event_of(tenant.key, action="user.created")
    result_of(store.add_user(user, credential, tenancy, session, [event]))
    return credential, tenancy, dataclasses.replace(session, org_id=tenancy.organization.id)


def test_a_user_is_added_with_account_session_and_organization(
    store: Store, tenant: Tenant
) -> None:
    user = samples.user(name="Ada", image="https://example.com/ada.png")
    credential, tenancy, session = sign_up(store, tenant, user)
    assert result_of(store.find_credential(user.email)) == (user, credential)
    assert result_of(store.roles_of(user.id)) == {tenancy.organization.id: "owner"}
    assert result_of(store.find_environment(tenancy.environment.id)) == tenancy.environment
    assert result_of(store.find_session(session.token, samples.NOON)) == session
    assert result_of(store.find_session_by_id(session.id, samples.NOON)) == session


def test_of_one_address_there_is_one_user(engine: Engine, store: Store, tenant: Tenant) -> None:
    user = samples.user()
    sign_up(store, tenant, user)
    before = counts(engine)
    with pytest.raises(UniqueViolation):
        sign_up(store, tenant, samples.user(email=user.email))
    assert counts(engine) == before


def test_without_a_password_there_is_no_credential(
    engine: Engine, store: Store, tenant: Tenant
) -> None:
    assert result_of(store.find_credential(tenant.user.email)) is not None
    assert result_of(store.find_credential("unknown@example.com")) is None
    engine.run("""update "account" set "providerId" = 'github'""")
    assert result_of(store.find_credential(tenant.user.email)) is None
    engine.run("""update "account" set "providerId" = 'credential', password = null""")
    assert result_of(store.find_credential(tenant.user.email)) is None


def test_a_session_adds_a_tenancy_only_to_a_user_without_one(
    engine: Engine, store: Store, tenant: Tenant
) -> None:
    before = counts(engine)['"organization"']
    event = samples.event_of(tenant.key, action="session.created")
    session = session_of(tenant.user)
    result_of(store.add_session(session, tenancy_of(tenant.user, tenant), event))
    assert counts(engine)['"organization"'] == before
    found = result_of(store.find_session(session.token, samples.NOON))
    assert found == dataclasses.replace(session, org_id=tenant.tenancy.organization.id)

    engine.run('delete from "member"')
    at_once(
        *[
            lambda: result_of(
                store.add_session(
                    session_of(tenant.user),
                    tenancy_of(tenant.user, tenant),
                    samples.event_of(tenant.key),
                )
            )
        ]
        * 4
    )
    assert counts(engine)['"organization"'] == before + 1
    assert list(result_of(store.roles_of(tenant.user.id)).values()) == ["owner"]


def test_a_deleted_user_cannot_sign_in(store: Store, tenant: Tenant) -> None:
    unknown = samples.user()
    with pytest.raises(ForeignKeyViolation):
        result_of(store.add_session(session_of(unknown), None, samples.event_of(tenant.key)))


def test_a_session_is_renewed_unless_it_is_gone(store: Store, tenant: Tenant) -> None:
    session = session_of(tenant.user)
    result_of(store.add_session(session, None, samples.event_of(tenant.key)))
    end = timestamps.to_text(NOON + timedelta(days=8))
    assert result_of(store.renew_session(session.id, end, LATER))
    found = result_of(store.find_session(session.token, LATER))
    assert found is not None
    assert (found.expires_at, found.updated_at, found.created_at) == (end, LATER, samples.NOON)
    assert result_of(store.end_session(session.id, samples.event_of(tenant.key)))
    assert not result_of(store.renew_session(session.id, end, LATER))
    assert result_of(store.find_session(session.token, LATER)) is None


def test_a_session_ends_once_with_its_event(engine: Engine, store: Store, tenant: Tenant) -> None:
    session = session_of(tenant.user)
    result_of(store.add_session(session, None, samples.event_of(tenant.key)))
    before = counts(engine)["audit_log"]
    event = samples.event_of(tenant.key, action="session.deleted")
    assert result_of(store.end_session(session.id, event))
    assert not result_of(store.end_session(session.id, event))
    assert result_of(store.find_session_by_id(session.id, samples.NOON)) is None
    assert counts(engine)["audit_log"] == before + 1


def test_the_default_is_the_active_or_the_first_organization(
    engine: Engine, store: Store, tenant: Tenant
) -> None:
    first = tenant.tenancy.organization
    second = samples.organization()
    member = samples.member(second, tenant.user, created_at=LATER)
    result_of(store.add_organization(second, member, samples.event_of(tenant.key)))
    session = session_of(tenant.user)
    result_of(store.add_session(session, None, samples.event_of(tenant.key)))

    def home() -> str | None:
        found = result_of(store.find_session(session.token, samples.NOON))
        assert found is not None
        return found.org_id

    assert home() == first.id
    assert list(result_of(store.roles_of(tenant.user.id))) == [first.id, second.id]
    engine.run('update "session" set "activeOrganizationId" = ?', second.id)
    assert home() == second.id
    engine.run('delete from "member" where "organizationId" = ?', second.id)
    assert home() == first.id
    engine.run('delete from "member"')
    assert home() is None


# How many a user has


def add_bounded(store: Store, tenant: Tenant, session: Session, most: int) -> list[str]:
    """Add a session where there may be so many: the ids of those that ended for it."""
    ended: list[str] = []

    def recorded(of: Session) -> AuditEvent:
        ended.append(of.id)
        return samples.event_of(tenant.key, action="session.deleted", resource_id=of.id)

    event = samples.event_of(tenant.key, action="session.created")
    result_of(store.add_session(session, None, event, SessionBound(most, recorded)))
    return ended


def renewed(tenant: Tenant, days: int, **changes: str) -> Session:
    """A session that was begun, or renewed, so many days before noon."""
    moment = timestamps.to_text(NOON - timedelta(days=days))
    return session_of(tenant.user, created_at=moment, updated_at=moment, **changes)


def test_one_session_more_ends_the_one_that_was_renewed_longest_ago(
    engine: Engine, store: Store, tenant: Tenant
) -> None:
    old, older, new = (renewed(tenant, days) for days in (2, 5, 1))
    for session in (old, older, new):
        assert add_bounded(store, tenant, session, 3) == []
    assert add_bounded(store, tenant, session_of(tenant.user), 3) == [older.id]
    assert add_bounded(store, tenant, session_of(tenant.user), 2) == [old.id, new.id]
    assert result_of(store.find_session(older.token, samples.NOON)) is None
    assert engine.run('select count(*) from "session"') == [(2,)]
    rows = engine.run("select resource_id from audit_log where action = 'session.deleted'")
    assert [row[0] for row in rows] == [older.id, old.id, new.id]


def test_the_session_that_is_made_stays(engine: Engine, store: Store, tenant: Tenant) -> None:
    first = session_of(tenant.user)
    add_bounded(store, tenant, first, 1)
    late = renewed(tenant, 3)
    assert add_bounded(store, tenant, late, 1) == [first.id]
    assert result_of(store.find_session(late.token, samples.NOON)) is not None


def test_expired_sessions_and_those_of_others_do_not_count(
    engine: Engine, store: Store, tenant: Tenant
) -> None:
    expired = renewed(tenant, 8, expires_at=timestamps.to_text(NOON - timedelta(days=1)))
    other = samples.user()
    sign_up(store, tenant, other)
    add_bounded(store, tenant, expired, 1)
    assert add_bounded(store, tenant, session_of(tenant.user), 1) == []
    assert engine.run('select count(*) from "session"') == [(3,)]


def test_very_many_sessions_end_over_several_sign_ins(
    engine: Engine, store: Store, tenant: Tenant
) -> None:
    for number in range(MAX_ENDED_AT_ONCE + 20):
        engine.add_session(f"token{number}", tenant.user.id, "2027-01-01T00:00:00.000Z")
    assert len(add_bounded(store, tenant, session_of(tenant.user), 5)) == MAX_ENDED_AT_ONCE
    assert len(add_bounded(store, tenant, session_of(tenant.user), 5)) == 17
    assert engine.run('select count(*) from "session"') == [(5,)]


# A column of PostgreSQL has no other values than times.
@pytest.mark.usefixtures("sqlite")
def test_times_that_cannot_be_read_are_long_ago(
    engine: Engine, store: Store, tenant: Tenant
) -> None:
    for token, column, value in (
        ("unreadable", "updatedAt", "once"),
        ("milliseconds", "updatedAt", 1_795_521_600_000),
        ("expiry", "expiresAt", "never"),
    ):
        engine.add_session(token, tenant.user.id, "2027-01-01T00:00:00.000Z")
        engine.run(f'update "session" set "{column}" = ? where token = ?', value, token)
    # The one without an expiry is none.
    assert add_bounded(store, tenant, session_of(tenant.user), 2) == ["id-of-unreadable"]
