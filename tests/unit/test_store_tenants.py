"""Organizations, members and environments: what every engine must do."""

import dataclasses
from collections.abc import Callable

import pytest
from support.results import result_of
from unit import samples
from unit.conftest import Engine
from unit.test_store_conformance import at_once

from hookstream_keys.domain import ids, keys
from hookstream_keys.store import (
    ApiKey,
    AuditEvent,
    Environment,
    ForeignKeyViolation,
    LastOwner,
    Member,
    Organization,
    Page,
    Store,
    Tenant,
    UniqueViolation,
    User,
)

LATER = "2026-11-24T12:00:01.000Z"
ALL = Page(100)


def event(tenant: Tenant, **changes: str) -> AuditEvent:
    return samples.event_of(tenant.key, **changes)


def log(engine: Engine) -> list[tuple[str, str]]:
    rows = engine.run("select action, resource_id from audit_log order by seq")
    return [(row[0], row[1]) for row in rows]


def revoked(key: ApiKey) -> AuditEvent:
    return samples.event_of(key, action="api_key.revoked")


@pytest.fixture
def another(engine: Engine, tenant: Tenant) -> User:
    """A user who belongs nowhere yet."""
    user = samples.user(name="Ada")
    engine.run(
        """insert into "user" (id, name, email, "emailVerified", "createdAt", "updatedAt")
           values (?, ?, ?, false, ?, ?)""",
        user.id,
        user.name,
        user.email,
        user.created_at,
        user.updated_at,
    )
    return user


@pytest.fixture
def second(store: Store, tenant: Tenant, another: User) -> Organization:
    """A second organization, which `another` owns."""
    made = samples.organization(created_at=LATER)
    result_of(store.add_organization(made, samples.member(made, another), event(tenant)))
    return made


# Users


def test_a_user_is_found_by_id_and_by_address(store: Store, another: User) -> None:
    assert result_of(store.find_user(another.id)) == another
    assert result_of(store.find_user_by_email(another.email)) == another
    assert result_of(store.find_user("usr_0")) is None
    assert result_of(store.find_user_by_email(another.email.upper())) is None


# Organizations


def test_an_organization_is_added_with_its_owner_and_its_event(
    engine: Engine, store: Store, tenant: Tenant, another: User
) -> None:
    made = samples.organization()
    recorded = event(tenant, action="organization.created")
    result_of(store.add_organization(made, samples.member(made, another), recorded))
    assert result_of(store.find_organization(made.id)) == made
    assert result_of(store.roles_of(another.id)) == {made.id: "owner"}
    assert log(engine)[-1] == ("organization.created", recorded.resource_id)


def test_a_duplicate_slug_is_rejected_and_nothing_is_stored(
    engine: Engine, store: Store, tenant: Tenant, another: User
) -> None:
    before = log(engine)
    made = samples.organization(slug=tenant.tenancy.organization.slug)
    with pytest.raises(UniqueViolation):
        result_of(store.add_organization(made, samples.member(made, another), event(tenant)))
    assert result_of(store.find_organization(made.id)) is None
    assert result_of(store.roles_of(another.id)) == {}
    assert log(engine) == before


def test_a_list_has_a_user_s_organizations_and_roles(
    store: Store, tenant: Tenant, second: Organization, another: User
) -> None:
    home = tenant.tenancy.organization
    result_of(
        store.add_member(samples.member(home, another, "admin", created_at=LATER), event(tenant))
    )
    found = result_of(store.list_organizations(another.id, ALL))
    # In the order of joining: the second was created later, and joined earlier.
    assert [dataclasses.replace(each, joined=None) for each in found] == [
        dataclasses.replace(home, role="admin"),
        dataclasses.replace(second, role="owner"),
    ]
    assert result_of(store.list_organizations(another.id, Page(1))) == found[:1]
    assert result_of(store.list_organizations(another.id, Page(5, found[0].joined))) == found[1:]
    assert [each.role for each in result_of(store.list_organizations(tenant.user.id, ALL))] == [
        "owner"
    ]


def test_a_role_is_that_in_the_organization(
    store: Store, tenant: Tenant, second: Organization, another: User
) -> None:
    home = tenant.tenancy.organization
    result_of(
        store.add_member(samples.member(home, another, "admin", created_at=LATER), event(tenant))
    )
    assert result_of(store.role_in(home.id, another.id)) == "admin"
    assert result_of(store.role_in(second.id, another.id)) == "owner"
    assert result_of(store.role_in(second.id, tenant.user.id)) is None
    assert result_of(store.first_organization_of(another.id)) == second.id
    assert result_of(store.first_organization_of("usr_none")) is None


def test_an_organization_is_changed_with_its_event(
    engine: Engine, store: Store, tenant: Tenant, second: Organization
) -> None:
    changed = result_of(
        store.update_organization(
            second.id, {"name": "New"}, event(tenant, action="organization.updated")
        )
    )
    assert changed == dataclasses.replace(second, name="New")
    assert result_of(store.find_organization(second.id)) == changed
    assert log(engine)[-1][0] == "organization.updated"
    before = log(engine)
    with pytest.raises(UniqueViolation):
        result_of(
            store.update_organization(
                second.id,
                {"name": "Newer", "slug": tenant.tenancy.organization.slug},
                event(tenant),
            )
        )
    assert result_of(store.update_organization("org_0", {"name": "New"}, event(tenant))) is None
    assert result_of(store.find_organization(second.id)) == changed
    assert log(engine) == before


def test_an_organization_goes_with_all_that_is_in_it(
    engine: Engine, store: Store, tenant: Tenant, second: Organization
) -> None:
    home = tenant.tenancy.organization
    assert result_of(store.delete_organization(*samples.deletion_of(home, LATER)))
    assert result_of(store.find_organization(home.id)) is None
    assert result_of(store.find_key(tenant.key_digest)) is None
    assert result_of(store.find_environment(tenant.tenancy.environment.id)) is None
    assert result_of(store.roles_of(tenant.user.id)) == {}
    assert log(engine)[-3:] == [
        ("organization.deleted", home.id),
        ("api_key.revoked", tenant.key.id),
        ("organization.deletion_completed", home.id),
    ]
    before = log(engine)
    assert not result_of(store.delete_organization(*samples.deletion_of(home, LATER)))
    assert log(engine) == before
    assert result_of(store.find_organization(second.id)) == second


# Members


def test_a_member_is_added_once(store: Store, tenant: Tenant, another: User) -> None:
    home = tenant.tenancy.organization
    member = samples.member(home, another, "member", created_at=LATER)
    result_of(store.add_member(member, event(tenant)))
    assert result_of(store.find_member(home.id, member.id)) == member
    assert result_of(store.list_members(home.id, ALL)) == [member, tenant.tenancy.member]
    assert result_of(store.list_members(home.id, Page(5, (LATER, member.id)))) == [
        tenant.tenancy.member
    ]
    with pytest.raises(UniqueViolation):
        result_of(store.add_member(samples.member(home, another, "owner"), event(tenant)))
    assert result_of(store.list_members(home.id, ALL)) == [member, tenant.tenancy.member]


def test_a_member_is_found_in_their_own_organization_only(
    store: Store, tenant: Tenant, second: Organization
) -> None:
    (theirs,) = result_of(store.list_members(second.id, ALL))
    assert result_of(store.find_member(tenant.tenancy.organization.id, theirs.id)) is None
    assert result_of(store.find_member("", theirs.id)) is None


def test_a_deleted_user_cannot_become_a_member(store: Store, tenant: Tenant, another: User) -> None:
    home = tenant.tenancy.organization
    for member in (
        samples.member(home, samples.user()),
        samples.member(samples.organization(), another),
    ):
        with pytest.raises(ForeignKeyViolation):
            result_of(store.add_member(member, event(tenant)))


def test_a_role_is_changed_with_its_event(
    engine: Engine, store: Store, tenant: Tenant, another: User
) -> None:
    member = samples.member(tenant.tenancy.organization, another, "member")
    result_of(store.add_member(member, event(tenant)))
    assert result_of(
        store.update_member(
            member.org_id, member.id, "admin", event(tenant, action="member.updated")
        )
    )
    assert result_of(store.roles_of(another.id)) == {member.org_id: "admin"}
    assert log(engine)[-1][0] == "member.updated"
    assert result_of(
        store.remove_member(member.org_id, member.id, event(tenant, action="member.removed"))
    )
    assert result_of(store.roles_of(another.id)) == {}
    assert log(engine)[-1][0] == "member.removed"
    before = log(engine)
    assert not result_of(store.update_member(member.org_id, member.id, "owner", event(tenant)))
    assert not result_of(store.remove_member(member.org_id, member.id, event(tenant)))
    assert log(engine) == before


def test_nothing_of_another_organization_is_changed(
    engine: Engine, store: Store, tenant: Tenant, second: Organization
) -> None:
    """Isolation does not rest on what a caller has looked at before."""

    def rows() -> list[list[tuple[object, ...]]]:
        tables = ("api_key", "environment", '"member"', "audit_log")
        return [engine.run(f"select * from {table}") for table in tables]

    other, before = second.id, rows()
    key, environment, member = tenant.key, tenant.tenancy.environment, tenant.tenancy.member
    recorded = event(tenant)
    assert result_of(store.update_key(other, key.id, {"name": "x"}, recorded)) is None
    revoked = result_of(store.revoke_key(other, key.id, LATER, "unspecified", recorded))
    assert revoked.keys_revoked == 0
    assert (
        result_of(store.update_environment(other, environment.id, {"name": "x"}, recorded)) is None
    )
    assert not result_of(store.delete_environment(*samples.deletion_of(environment, org_id=other)))
    assert not result_of(store.update_member(other, member.id, "admin", recorded))
    assert not result_of(store.remove_member(other, member.id, recorded))
    assert rows() == before


@pytest.mark.parametrize("role", ["owner", "member,owner"])
def test_the_last_owner_stays(engine: Engine, store: Store, tenant: Tenant, role: str) -> None:
    engine.run('update "member" set role = ?', role)
    before = log(engine)
    member = tenant.tenancy.member
    with pytest.raises(LastOwner):
        result_of(store.update_member(member.org_id, member.id, "admin", event(tenant)))
    with pytest.raises(LastOwner):
        result_of(store.remove_member(member.org_id, member.id, event(tenant)))
    assert result_of(store.roles_of(tenant.user.id)) == {member.org_id: role}
    assert log(engine) == before


def test_of_two_owners_who_leave_concurrently_one_stays(
    store: Store, tenant: Tenant, another: User
) -> None:
    home = tenant.tenancy.organization
    member = samples.member(home, another)
    result_of(store.add_member(member, event(tenant)))
    failures: list[LastOwner] = []

    def leave(who: Member) -> Callable[[], None]:
        def leaving() -> None:
            try:
                result_of(store.remove_member(who.org_id, who.id, event(tenant)))
            except LastOwner as error:
                failures.append(error)

        return leaving

    at_once(leave(member), leave(tenant.tenancy.member))
    assert len(failures) == 1
    assert [left.role for left in result_of(store.list_members(home.id, ALL))] == ["owner"]


# Environments


@pytest.fixture
def staging(store: Store, tenant: Tenant) -> Environment:
    made = samples.environment(
        tenant.tenancy.organization, name="Staging", slug="staging", mode="test", created_at=LATER
    )
    result_of(store.add_environment(made, event(tenant, action="environment.created")))
    return made


def test_an_environment_is_added_with_its_event(
    engine: Engine, store: Store, tenant: Tenant, staging: Environment
) -> None:
    home = tenant.tenancy
    assert result_of(store.find_environment(staging.id)) == staging
    assert log(engine)[-1][0] == "environment.created"
    assert result_of(store.list_environments(home.organization.id, None, ALL)) == [
        staging,
        home.environment,
    ]
    assert result_of(store.list_environments(home.organization.id, staging.id, ALL)) == [staging]
    assert result_of(store.list_environments(home.organization.id, None, Page(1))) == [staging]
    after = Page(5, (LATER, staging.id))
    assert result_of(store.list_environments(home.organization.id, None, after)) == [
        home.environment
    ]


@pytest.mark.usefixtures("staging")
def test_a_slug_is_unique_in_an_organization(
    store: Store, tenant: Tenant, second: Organization
) -> None:
    result_of(store.add_environment(samples.environment(second, slug="staging"), event(tenant)))
    with pytest.raises(UniqueViolation):
        result_of(
            store.add_environment(
                samples.environment(tenant.tenancy.organization, slug="staging"), event(tenant)
            )
        )
    with pytest.raises(ForeignKeyViolation):
        result_of(store.add_environment(samples.environment(samples.organization()), event(tenant)))


def test_an_environment_is_changed_with_its_event(
    engine: Engine, store: Store, tenant: Tenant, staging: Environment
) -> None:
    recorded = event(tenant, action="environment.updated")
    changed = result_of(
        store.update_environment(staging.org_id, staging.id, {"name": "QA", "slug": "qa"}, recorded)
    )
    assert changed == dataclasses.replace(staging, name="QA", slug="qa")
    assert log(engine)[-1][0] == "environment.updated"
    before = log(engine)
    with pytest.raises(UniqueViolation):
        result_of(
            store.update_environment(
                staging.org_id, staging.id, {"slug": "production"}, event(tenant)
            )
        )
    assert (
        result_of(
            store.update_environment(tenant.key.org_id, "env_0", {"name": "x"}, event(tenant))
        )
        is None
    )
    assert result_of(store.find_environment(staging.id)) == changed
    assert log(engine) == before


def test_an_environment_goes_and_its_keys_are_revoked_with_it(
    engine: Engine, store: Store, tenant: Tenant, staging: Environment
) -> None:
    made = [samples.key_of(staging, name=str(number)) for number in range(3)]
    for key in made:
        result_of(store.add_key(key, keys.generate("test").digest, samples.event_of(key)))
    result_of(
        store.revoke_key(made[0].org_id, made[0].id, samples.NOON, "superseded", revoked(made[0]))
    )
    assert result_of(store.delete_environment(*samples.deletion_of(staging, LATER)))

    assert result_of(store.find_environment(staging.id)) is None
    assert result_of(store.list_environments(staging.org_id, None, ALL)) == [
        tenant.tenancy.environment
    ]
    found = [result_of(store.find_key_by_id(key.id)) for key in made]
    assert [(key.revoked_at, key.revocation_reason) for key in found if key] == [
        (samples.NOON, "superseded"),
        (LATER, "cessationOfOperation"),
        (LATER, "cessationOfOperation"),
    ]
    deleted, *keys_revoked, completed = log(engine)[-4:]
    assert deleted == ("environment.deleted", staging.id)
    assert sorted(keys_revoked) == sorted(("api_key.revoked", key.id) for key in made[1:])
    assert completed == ("environment.deletion_completed", staging.id)
    assert result_of(store.find_key_by_id(tenant.key.id)) == tenant.key

    before = log(engine)
    assert not result_of(store.delete_environment(*samples.deletion_of(staging, LATER)))
    assert (
        result_of(
            store.update_environment(staging.org_id, staging.id, {"name": "x"}, event(tenant))
        )
        is None
    )
    late = samples.key_of(staging)
    with pytest.raises(ForeignKeyViolation):
        result_of(store.add_key(late, keys.generate("test").digest, samples.event_of(late)))
    assert log(engine) == before
    # Its slug may be used again, and then be free again.
    for _ in range(2):
        again = samples.environment(tenant.tenancy.organization, slug="staging")
        result_of(store.add_environment(again, event(tenant)))
        result_of(store.delete_environment(*samples.deletion_of(again, LATER)))


def test_a_key_is_added_before_its_environment_goes_or_not_at_all(
    store: Store, tenant: Tenant, staging: Environment
) -> None:
    added: list[str] = []

    def add() -> None:
        for _ in range(20):
            key = samples.key_of(staging)
            try:
                result_of(store.add_key(key, keys.generate("test").digest, samples.event_of(key)))
            except ForeignKeyViolation:
                return
            added.append(key.id)

    def delete() -> None:
        result_of(store.delete_environment(*samples.deletion_of(staging, LATER)))

    at_once(add, add, delete)
    found = [result_of(store.find_key_by_id(key_id)) for key_id in added]
    assert all(key and key.revoked_at for key in found)


def test_ids_are_never_looked_up_in_part(store: Store, staging: Environment) -> None:
    for wrong in ("", staging.id[:-1], staging.id + "0", staging.id.upper(), ids.new("env")):
        assert result_of(store.find_environment(wrong)) is None
        assert result_of(store.find_organization(wrong)) is None
