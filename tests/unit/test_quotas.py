"""Quotas in the store: what is counted, and that the count is exact however it is cached."""

import secrets
import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from support.results import result_of, together
from unit import samples
from unit.conftest import Engine, Sqlite

from hookstream_keys.domain import ids, keys, timestamps
from hookstream_keys.domain.quotas import NO_QUOTAS, Quota, Quotas
from hookstream_keys.settings import Settings
from hookstream_keys.store import (
    ApiKey,
    Environment,
    IdempotencyRecord,
    IdempotentReplay,
    Rotation,
    Store,
    Tenant,
    UniqueViolation,
    open_store,
)
from hookstream_keys.store.errors import QuotaReached
from hookstream_keys.store.sql import key_counts

MOST = 3
QUOTAS = Quotas.of(
    organizations_per_user=MOST,
    environments_per_organization=MOST,
    keys_per_environment=MOST,
    rotations_per_key=MOST,
    members_per_organization=MOST,
)


def later(seconds: int) -> str:
    return timestamps.to_text(datetime.fromisoformat(samples.NOON) + timedelta(seconds=seconds))


def add_key(
    store: Store,
    tenant: Tenant,
    quota: Quota | None = QUOTAS.keys_per_environment,
    record: IdempotencyRecord | None = None,
    **changes: Any,
) -> ApiKey:
    key = samples.key_of(tenant.tenancy.environment, **changes)
    event = samples.event_of(key, created_at=key.created_at)
    result_of(store.add_key(key, keys.generate("live").digest, event, record, quota))
    return key


def fill(store: Store, tenant: Tenant, **changes: Any) -> list[ApiKey]:
    """Add keys until the environment is full. The first tenant's key is there already."""
    added = [add_key(store, tenant, **changes) for _ in range(MOST - 1)]
    with pytest.raises(QuotaReached):
        add_key(store, tenant)
    return added


def usable(engine: Engine, now: str = samples.NOON) -> int:
    found = engine.run(
        "select count(*) from api_key where revoked_at is null"
        f" and (expires_at is null or expires_at > '{now}')"
    )
    return int(found[0][0])


def test_the_settings_are_the_quotas() -> None:
    off = Settings(
        max_organizations_per_user="off",
        max_members_per_organization="off",
        max_environments_per_organization="off",
        max_keys_per_environment="off",
        max_rotations_per_key="off",
    )
    assert off.quotas == NO_QUOTAS
    found = Settings(max_keys_per_environment="7").quotas.keys_per_environment
    assert found is not None
    assert found.most == 7


def test_a_message_names_the_quota_its_value_and_how_to_raise_it() -> None:
    quota = QUOTAS.keys_per_environment
    assert quota is not None
    assert quota.message == (
        "An environment may have at most 3 keys that are neither revoked nor expired. Revoke keys "
        "that are not needed; an operator of this server can raise "
        "HOOKSTREAM_MAX_KEYS_PER_ENVIRONMENT."
    )


def test_an_environment_has_as_many_keys_as_its_quota(
    engine: Engine, store: Store, tenant: Tenant
) -> None:
    fill(store, tenant)
    assert usable(engine) == MOST
    # Nothing of the refused one is stored.
    assert len(engine.run("select id from audit_log where action = 'api_key.created'")) == MOST
    # Without a quota there is no limit.
    add_key(store, tenant, quota=None)
    assert usable(engine) == MOST + 1


def test_revoked_and_expired_keys_do_not_count(store: Store, tenant: Tenant) -> None:
    first, *_ = fill(store, tenant, expires_at=later(60))
    event = samples.event_of(first, action="api_key.revoked")
    result_of(store.revoke_key(first.org_id, first.id, samples.NOON, "superseded", event))
    add_key(store, tenant)
    with pytest.raises(QuotaReached):
        add_key(store, tenant)
    # The other one expires.
    add_key(store, tenant, created_at=later(60))
    with pytest.raises(QuotaReached):
        add_key(store, tenant, created_at=later(60))


def test_an_expired_key_that_becomes_valid_again_counts_as_a_new_one(
    store: Store, tenant: Tenant
) -> None:
    expired = add_key(store, tenant, expires_at=later(-60))
    fill(store, tenant)
    event = samples.event_of(expired, action="api_key.updated")
    wanted = (expired.org_id, expired.id, {"expires_at": None}, event)
    with pytest.raises(QuotaReached):
        result_of(store.update_key(*wanted, QUOTAS.keys_per_environment))
    found = result_of(store.find_key_by_id(expired.id))
    assert found is not None
    assert found.expires_at == later(-60)
    assert result_of(store.update_key(*wanted)) is not None


def test_keys_of_other_environments_do_not_count(store: Store, tenant: Tenant) -> None:
    fill(store, tenant)
    of = tenant.tenancy.organization
    other = samples.environment(of, slug="other")
    result_of(store.add_environment(other, samples.event_of(tenant.key)))
    key = samples.key_of(other)
    digest, quota = keys.generate("live").digest, QUOTAS.keys_per_environment
    result_of(store.add_key(key, digest, samples.event_of(key), None, quota))


def test_a_replay_is_answered_when_the_environment_is_full(store: Store, tenant: Tenant) -> None:
    record = IdempotencyRecord(secrets.token_bytes(32), bytes(32), b"sealed", samples.NOON)
    add_key(store, tenant, record=record)
    add_key(store, tenant)
    with pytest.raises(QuotaReached):
        add_key(store, tenant)
    with pytest.raises(IdempotentReplay):
        add_key(store, tenant, record=record)


def test_two_processes_that_count_for_themselves_do_not_exceed_it(
    engine: Engine, store: Store, tenant: Tenant
) -> None:
    quota = Quotas.of(keys_per_environment=40).keys_per_environment
    stores = [store, open_store(engine.url)]
    refused: list[QuotaReached] = []

    def add_many(into: Store) -> None:
        for _ in range(40):
            try:
                add_key(into, tenant, quota)
            except QuotaReached as reached:
                refused.append(reached)

    threads = [threading.Thread(target=add_many, args=(each,)) for each in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stores[1].close()
    assert usable(engine) == 40
    assert len(refused) == 2 * 40 - 39


def test_keys_are_counted_again_only_near_the_quota(
    store: Store, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = 0
    remember = key_counts.KeyCounts._remember

    def count(self: key_counts.KeyCounts, env_id: str, found: key_counts._Count) -> None:
        nonlocal counted
        counted += 1
        remember(self, env_id, found)

    monkeypatch.setattr(key_counts.KeyCounts, "_remember", count)
    quota = Quotas.of(keys_per_environment=100).keys_per_environment
    for _ in range(60):
        add_key(store, tenant, quota)
    assert counted == 1


@pytest.mark.usefixtures("sqlite")
def test_a_count_of_another_history_is_not_used(
    engine: Engine, store: Store, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a restore, or the reset of a sandbox: the log has as many other events."""
    quota = Quotas.of(keys_per_environment=30).keys_per_environment
    add_key(store, tenant, quota)
    events = [samples.event_of(tenant.key, action="api_key.updated") for _ in range(40)]
    result_of(store.add_events(events))
    # Counted: two keys, after some forty events.
    add_key(store, tenant, quota)
    ((before,),) = engine.run("select max(seq) from audit_log")
    engine.run("drop trigger audit_log_no_delete")
    engine.run("delete from audit_log where seq > 3")
    hash_of_3 = engine.run("select hash from audit_log where seq = 3")[0][0]
    engine.run(f"update audit_head set seq = 3, hash = '{hash_of_3}'")
    # The other history: nothing but keys.
    while engine.run("select seq from audit_head")[0][0] < before:
        try:
            add_key(store, tenant, quota)
        except QuotaReached:
            break
    assert usable(engine) == 30


def test_a_group_that_is_rolled_back_leaves_no_count_behind(
    engine: Engine, store: Store, tenant: Tenant
) -> None:
    class Failure(Exception):
        pass

    def add_and_fail() -> None:
        with together(store):
            for _ in range(MOST - 1):
                add_key(store, tenant)
            raise Failure

    with pytest.raises(Failure):
        add_and_fail()
    fill(store, tenant)
    assert usable(engine) == MOST


def test_few_environments_are_remembered(
    store: Store, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_counts, "MAX_REMEMBERED", 1)
    other = samples.environment(tenant.tenancy.organization, slug="other")
    result_of(store.add_environment(other, samples.event_of(tenant.key)))
    digest, quota = keys.generate("live").digest, QUOTAS.keys_per_environment
    add_key(store, tenant)
    elsewhere = samples.key_of(other)
    result_of(store.add_key(elsewhere, digest, samples.event_of(elsewhere), None, quota))
    add_key(store, tenant)
    with pytest.raises(QuotaReached):
        add_key(store, tenant)


def test_a_user_has_as_many_organizations_as_their_quota(store: Store, tenant: Tenant) -> None:
    def add() -> None:
        new = samples.organization()
        member = samples.member(new, tenant.user)
        quota = QUOTAS.organizations_per_user
        result_of(store.add_organization(new, member, samples.event_of(tenant.key), None, quota))

    for _ in range(MOST - 1):
        add()
    with pytest.raises(QuotaReached):
        add()
    assert len(result_of(store.roles_of(tenant.user.id))) == MOST


def new_user(store: Store) -> tuple[str, str]:
    """A user, and the organization of their own."""
    other = samples.tenant()
    result_of(store.add_user(other.user, other.credential, other.tenancy, None, ()))
    return other.user.id, other.tenancy.organization.id


def test_memberships_count_for_the_organization_and_for_the_user(
    store: Store, tenant: Tenant
) -> None:
    of = tenant.tenancy.organization

    def add(user_id: str, org_id: str) -> None:
        member = samples.member(of, samples.user(id=user_id), "member", org_id=org_id)
        result_of(store.add_member(member, samples.event_of(tenant.key), None, QUOTAS))

    users, homes = zip(*(new_user(store) for _ in range(MOST)), strict=True)
    for user_id in users[: MOST - 1]:
        add(user_id, of.id)
    with pytest.raises(QuotaReached, match="3 members"):
        add(users[-1], of.id)
    # For a user who is a member already that is the answer, with or without room.
    with pytest.raises(UniqueViolation):
        add(users[0], of.id)
    add(users[0], homes[1])
    with pytest.raises(QuotaReached, match="3 organizations"):
        add(users[0], homes[2])


def test_deleted_environments_do_not_count(store: Store, tenant: Tenant) -> None:
    of = tenant.tenancy.organization

    def add(slug: str) -> Environment:
        new = samples.environment(of, slug=slug)
        event, quota = samples.event_of(tenant.key), QUOTAS.environments_per_organization
        result_of(store.add_environment(new, event, None, quota))
        return new

    added = [add(str(number)) for number in range(MOST - 1)]
    with pytest.raises(QuotaReached):
        add("one-more")
    assert result_of(store.delete_environment(*samples.deletion_of(added[0])))
    add("one-more")


def test_rotations_count_until_their_grace_period_is_over(store: Store, tenant: Tenant) -> None:
    key = tenant.key

    def rotate(now: str) -> Rotation:
        rotation = Rotation(
            id=ids.new("rot"),
            key_id=key.id,
            prefix=key.prefix,
            state="pending",
            grace_period_seconds=60,
            sets_expiry=False,
            expires_at=None,
            created_at=now,
            created_by=None,
        )
        digest, quota = keys.generate("live").digest, QUOTAS.rotations_per_key
        assert result_of(store.add_rotation(rotation, digest, samples.event_of(key), None, quota))
        return rotation

    for number in range(MOST):
        # It replaces a pending one, which does not count.
        rotate(samples.NOON)
        rotation = rotate(samples.NOON)
        ends = later(60 + number)
        assert result_of(
            store.activate_rotation(rotation.id, samples.NOON, ends, samples.event_of(key))
        )
    with pytest.raises(QuotaReached):
        rotate(later(59))
    rotate(later(60))


@pytest.mark.parametrize(
    ("index", "of"),
    [("member_userId_idx", '"userId"'), ("member_organizationId_idx", '"organizationId"')],
)
def test_memberships_are_counted_by_an_index(sqlite: Sqlite, index: str, of: str) -> None:
    store = open_store(sqlite.url)
    store.migrate()
    store.close()
    plan = sqlite.run(f'explain query plan select 1 from "member" where {of} = 1 limit 1 offset 9')
    assert [row[3] for row in plan] == [
        f"SEARCH member USING COVERING INDEX {index} ({of[1:-1]}=?)"
    ]
