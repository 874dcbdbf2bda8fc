"""Pending deletions: what is deleted at once by a mark, and row by row in batches."""

import json
from collections import Counter
from datetime import datetime

import pytest
from support.results import result_of, together
from unit import samples
from unit.conftest import Engine
from unit.test_store_conformance import at_once

from hookstream_keys.domain import ids, keys
from hookstream_keys.domain.quotas import Quota
from hookstream_keys.domain.sources import SYSTEM
from hookstream_keys.handlers import audit
from hookstream_keys.handlers.descendants import revocation_by
from hookstream_keys.runtime.batches import PAUSE_SECONDS, Batches
from hookstream_keys.store import (
    ApiKey,
    Attempts,
    Environment,
    ForeignKeyViolation,
    KeyFilter,
    Organization,
    Page,
    Rotation,
    Session,
    Store,
    StoreUnavailable,
    Tenant,
)
from hookstream_keys.store.sql.batches import ROWS_AT_ONCE

LATER = "2026-11-24T12:00:01.000Z"
LATEST = "2026-11-24T12:00:02.000Z"
REASON = "cessationOfOperation"
ALL = Page(1000)
#: More keys than a deletion revokes at once.
MANY = ROWS_AT_ONCE + 25
SECRETS = [keys.generate("test").digest for _ in range(MANY)]
EVENTS = samples.deletion_of(samples.organization())[2]
REVOCATIONS = audit.revocation_events(SYSTEM)
UNLIMITED = float("inf")


@pytest.fixture
def staging(store: Store, tenant: Tenant) -> Environment:
    """An environment with many keys, the first of which is revoked."""
    made = samples.environment(tenant.tenancy.organization, slug="staging", mode="test")
    result_of(store.add_environment(made, samples.event_of(tenant.key)))
    return made


@pytest.fixture
def made(store: Store, tenant: Tenant, staging: Environment) -> list[ApiKey]:
    """Its keys, in the order of `SECRETS`."""
    added = [samples.key_of(staging, created_by=tenant.user.id) for _ in range(MANY)]
    with together(store):
        for key, digest in zip(added, SECRETS, strict=True):
            result_of(store.add_key(key, digest, samples.event_of(key)))
    first = added[0]
    recorded = samples.event_of(first, action="api_key.revoked")
    result_of(store.revoke_key(first.org_id, first.id, samples.NOON, "superseded", recorded))
    return added


def actions(engine: Engine, resource_id: str | None = None) -> list[str]:
    rows = engine.run(
        "select action from audit_log where ? in ('', resource_id) order by seq", resource_id or ""
    )
    return [row[0] for row in rows]


def revoked_rows(engine: Engine) -> int:
    return int(engine.run("select count(*) from api_key where revoked_at is not null")[0][0])


def finish(store: Store, rows: int = 1000) -> int:
    """Complete all deletions; returns in how many batches."""
    batches = 1
    while result_of(store.continue_deletion(EVENTS, rows, UNLIMITED)):
        batches += 1
    return batches


def test_a_small_deletion_is_complete_at_once(
    engine: Engine, store: Store, tenant: Tenant, staging: Environment
) -> None:
    key = samples.key_of(staging)
    result_of(store.add_key(key, SECRETS[0], samples.event_of(key)))
    assert result_of(store.delete_environment(*samples.deletion_of(staging, LATER)))
    assert not result_of(store.has_pending_deletions())
    assert actions(engine)[-3:] == [
        "environment.deleted", "api_key.revoked", "environment.deletion_completed"]  # fmt: skip
    assert not result_of(store.continue_deletion(EVENTS, 1, UNLIMITED))


def test_keys_are_revoked_at_once_and_their_rows_in_batches(
    engine: Engine, store: Store, made: list[ApiKey], staging: Environment
) -> None:
    assert result_of(store.delete_environment(*samples.deletion_of(staging, LATER)))
    assert result_of(store.has_pending_deletions())
    assert revoked_rows(engine) == ROWS_AT_ONCE + 1
    expected = [(samples.NOON, "superseded"), *[(LATER, REASON)] * (MANY - 1)]

    def found() -> list[tuple[str | None, str | None]]:
        by_secret = [result_of(store.find_key(digest)) for digest in SECRETS]
        by_id = [result_of(store.find_key_by_id(key.id)) for key in made]
        assert by_secret == by_id
        return [(key.revoked_at, key.revocation_reason) for key in by_id if key]

    assert found() == expected

    assert result_of(store.continue_deletion(EVENTS, 10, UNLIMITED))
    assert revoked_rows(engine) == ROWS_AT_ONCE + 11
    assert found() == expected
    # Without time left a batch changes one row.
    assert result_of(store.continue_deletion(EVENTS, 10, 0.0))
    assert revoked_rows(engine) == ROWS_AT_ONCE + 12
    assert "environment.deletion_completed" not in actions(engine)

    assert finish(store, 5) == 3
    assert (found(), revoked_rows(engine)) == (expected, MANY)
    assert actions(engine, staging.id)[-2:] == [
        "environment.deleted", "environment.deletion_completed"]  # fmt: skip
    assert actions(engine)[-1] == "environment.deletion_completed"
    assert all(actions(engine, key.id).count("api_key.revoked") == 1 for key in made)


def test_events_name_who_deleted_and_how_many_keys_were_revoked(
    engine: Engine, store: Store, made: list[ApiKey], staging: Environment
) -> None:
    result_of(store.delete_environment(*samples.deletion_of(staging, LATER)))
    finish(store)
    rows = engine.run(
        "select user_id, api_key_id, ip_address, request_id, env_id, details, resource_id"
        " from audit_log"
        " where request_id = 'req_of_deletion' and action <> 'environment.deleted' order by seq"
    )
    origin = ("usr_who_deletes", None, "192.0.2.1", "req_of_deletion", staging.id)
    assert {row[:5] for row in rows} == {origin}
    # All but the one that was revoked before.
    assert (len(rows), rows[-1][5]) == (MANY, f'{{"keys_revoked":{MANY - 1}}}')
    prefixes = {key.id: key.prefix for key in made}
    assert rows[0][5] == (
        f'{{"env_id":"{staging.id}","key_prefix":"{prefixes[rows[0][6]]}","reason":"{REASON}",'
        f'"revoked_at":"{LATER}"}}'
    )


def test_a_revoked_key_whose_row_is_not_updated_cannot_change(
    engine: Engine, store: Store, tenant: Tenant, made: list[ApiKey], staging: Environment
) -> None:
    last = next(key for key in made[1:] if not revoked_in_row(engine, key, staging, store))
    recorded = samples.event_of(last)
    before = actions(engine)
    assert result_of(store.update_key(last.org_id, last.id, {"name": "x"}, recorded)) is None
    revoked = result_of(store.revoke_key(last.org_id, last.id, LATEST, "superseded", recorded))
    assert revoked.keys_revoked == 0
    digest = keys.generate("test").digest
    assert not result_of(store.add_rotation(rotation_of(last), digest, recorded))
    assert result_of(store.count_descendants(tenant.user.id, last.org_id, MANY + 1)) == {None: 1}
    other = tenant.key
    event = samples.event_of(other)
    descendants = revocation_by(SYSTEM, event, "superseded", tenant.user.id, None)
    progress = result_of(
        store.revoke_key(other.org_id, other.id, LATEST, "superseded", event, descendants)
    )
    while not progress.is_complete:
        progress = result_of(store.continue_revocation(event.id, REVOCATIONS, 10, UNLIMITED))
    assert progress.keys_revoked == 1
    assert actions(engine) == [*before, samples.event_of(other).action]
    late = samples.key_of(staging)
    with pytest.raises(ForeignKeyViolation):
        result_of(store.add_key(late, digest, samples.event_of(late)))


def revoked_in_row(engine: Engine, key: ApiKey, environment: Environment, store: Store) -> bool:
    """Whether the key's row is updated once its environment is deleted."""
    result_of(store.delete_environment(*samples.deletion_of(environment, LATER)))
    return engine.run("select revoked_at from api_key where id = ?", key.id) != [(None,)]


def rotation_of(key: ApiKey) -> Rotation:
    return Rotation(
        id=ids.new("rot"), key_id=key.id, prefix=key.prefix, state="pending",
        grace_period_seconds=60, sets_expiry=False, expires_at=None, created_at=samples.NOON,
        created_by=None,
    )  # fmt: skip


def test_a_pending_secret_of_it_is_revoked_and_cannot_be_activated(
    engine: Engine, store: Store, made: list[ApiKey], staging: Environment
) -> None:
    rotations = [(rotation_of(key), keys.generate("test").digest) for key in made[1:]]
    with together(store):
        for key, (rotation, digest) in zip(made[1:], rotations, strict=True):
            assert result_of(store.add_rotation(rotation, digest, samples.event_of(key)))
    result_of(store.delete_environment(*samples.deletion_of(staging, LATER)))
    for key, (rotation, digest) in zip(made[1:], rotations, strict=True):
        found = result_of(store.find_key(digest))
        assert found is not None
        assert (found.id, found.revoked_at, found.rotation) == (key.id, LATER, rotation)
        activated = result_of(
            store.activate_rotation(rotation.id, LATEST, LATEST, samples.event_of(key))
        )
        assert not activated
    finish(store)


def test_lists_filter_keys_by_the_state_that_they_show(
    store: Store, tenant: Tenant, made: list[ApiKey], staging: Environment
) -> None:
    result_of(store.delete_environment(*samples.deletion_of(staging, LATER)))

    def listed(state: str) -> set[str]:
        wanted = KeyFilter(staging.org_id, LATEST, state=state)  # type: ignore[arg-type]
        return {key.id for key in result_of(store.list_keys(wanted, ALL)).items}

    for _ in range(2):
        assert listed("active") == {tenant.key.id}
        assert listed("revoked") == {key.id for key in made}
        assert listed("disabled") == listed("expired") == set()
        finish(store)


def test_a_deleted_environment_is_not_pruned_before_its_keys_are_revoked(
    engine: Engine, store: Store, made: list[ApiKey], staging: Environment
) -> None:
    result_of(store.delete_environment(*samples.deletion_of(staging, LATER)))
    later = datetime.fromisoformat(LATEST)
    assert result_of(store.prune("environments", later, 1000)) == 0
    finish(store)
    assert result_of(store.prune("environments", later, 1000)) > 0


# Organizations


@pytest.fixture
def home(engine: Engine, store: Store, tenant: Tenant, made: list[ApiKey]) -> Organization:
    """The first organization, with something in every table that it can have rows in."""
    home = tenant.tenancy.organization
    with together(store):
        for key in made[1:4]:
            for _ in range(3):
                rotation = rotation_of(key)
                result_of(
                    store.add_rotation(
                        rotation, keys.generate("test").digest, samples.event_of(key)
                    )
                )
        result_of(store.add_usage([
            Attempts(key.id, outcome, 1, samples.NOON, None)
            for key in made for outcome in ("VALID", "DISABLED")
        ]))  # fmt: skip
    engine.run(
        """insert into "invitation" (id, "organizationId", email, status, "expiresAt", "createdAt",
                                     "inviterId")
           values ('inv', ?, 'a@x.example', 'pending', ?, ?, ?)""",
        home.id,
        samples.NOON,
        samples.NOON,
        tenant.user.id,
    )
    return home


def test_an_organization_is_gone_at_once_and_its_rows_in_batches(
    engine: Engine, store: Store, tenant: Tenant, made: list[ApiKey], home: Organization
) -> None:
    environment, member = tenant.tenancy.environment, tenant.tenancy.member
    engine.add_session("token", tenant.user.id, "2099-01-01T00:00:00.000Z")
    assert result_of(store.delete_organization(*samples.deletion_of(home, LATER)))
    event = samples.event_of(tenant.key)

    def is_gone() -> None:
        assert result_of(store.find_organization(home.id)) is None
        assert result_of(store.list_organizations(tenant.user.id, ALL)) == []
        assert result_of(store.list_all_organizations(ALL)) == []
        assert result_of(store.roles_of(tenant.user.id)) == {}
        session = result_of(store.find_session("token", LATEST))
        assert isinstance(session, Session)
        assert session.org_id is None
        assert result_of(store.find_environment(environment.id)) is None
        assert result_of(store.list_environments(home.id, None, ALL)) == []
        assert result_of(store.find_member(home.id, member.id)) is None
        assert result_of(store.list_members(home.id, ALL)) == []
        for digest in (*SECRETS[1:], tenant.key_digest):
            key = result_of(store.find_key(digest))
            assert key is None or (key.revoked_at, key.revocation_reason) == (LATER, REASON)

    def cannot_change() -> None:
        before = actions(engine)
        assert not result_of(store.delete_organization(*samples.deletion_of(home, LATEST)))
        assert not result_of(store.delete_environment(*samples.deletion_of(environment, LATEST)))
        assert result_of(store.update_organization(home.id, {"name": "x"}, event)) is None
        assert (
            result_of(store.update_environment(home.id, environment.id, {"name": "x"}, event))
            is None
        )
        assert not result_of(store.update_member(home.id, member.id, "member", event))
        assert not result_of(store.remove_member(home.id, member.id, event))
        new = samples.environment(home, slug="new")
        with pytest.raises(ForeignKeyViolation):
            result_of(store.add_environment(new, event))
        with pytest.raises(ForeignKeyViolation):
            result_of(store.add_member(samples.member(home, samples.user()), event))
        with pytest.raises(ForeignKeyViolation):
            result_of(
                store.add_key(samples.key_of(environment), keys.generate("test").digest, event)
            )
        assert actions(engine) == before

    is_gone()
    cannot_change()
    # Its slug is free at once, and it does not count as one of the user's.
    mine = samples.organization(slug=home.slug)
    result_of(store.add_organization(
        mine, samples.member(mine, tenant.user), samples.event_of(tenant.key, org_id=mine.id),
        None, Quota(1, "X", "{}", ""),
    ))  # fmt: skip
    result_of(store.delete_organization(*samples.deletion_of(mine, LATER)))
    batches = 0
    while result_of(store.continue_deletion(EVENTS, 7, UNLIMITED)):
        batches += 1
        is_gone()
        cannot_change()
    assert batches > 3
    for table in ("api_key", "rotation", "key_usage", "environment", "member", "invitation",
                  "organization", "pending_deletion"):  # fmt: skip
        assert engine.run(f'select count(*) from "{table}"') == [(0,)]
    every = [*made, tenant.key]
    assert all(actions(engine, key.id).count("api_key.revoked") == 1 for key in every)
    assert actions(engine, home.id)[-2:] == [
        "organization.deleted", "organization.deletion_completed"]  # fmt: skip


def test_keys_of_an_environment_that_was_deleted_before_keep_that_time(
    engine: Engine, store: Store, made: list[ApiKey], staging: Environment, home: Organization
) -> None:
    result_of(store.delete_environment(*samples.deletion_of(staging, LATER)))
    result_of(store.delete_organization(*samples.deletion_of(home, LATEST)))
    last = [result_of(store.find_key(digest)) for digest in SECRETS[1:]]
    assert {key.revoked_at for key in last if key} == {LATER}
    finish(store, 10)
    rows = engine.run("select details from audit_log where action = 'api_key.revoked'")
    times = Counter(json.loads(row[0]).get("revoked_at") for row in rows)
    # One was revoked before, by a request; the other key is of another environment.
    assert times - Counter({None: len(rows)}) == {LATER: MANY - 1, LATEST: 1}


def test_a_small_deletion_does_not_wait_for_a_large_one(
    engine: Engine, store: Store, tenant: Tenant, made: list[ApiKey], staging: Environment
) -> None:
    small = samples.environment(tenant.tenancy.organization, slug="small")
    result_of(store.add_environment(small, samples.event_of(tenant.key)))
    added = [samples.key_of(small) for _ in range(ROWS_AT_ONCE + 1)]
    with together(store):
        for key in added:
            result_of(store.add_key(key, keys.generate("test").digest, samples.event_of(key)))
    result_of(store.delete_environment(*samples.deletion_of(staging, LATER)))
    for _ in range(3):
        assert result_of(store.continue_deletion(EVENTS, 2, UNLIMITED))
    result_of(store.delete_environment(*samples.deletion_of(small, LATEST)))
    assert result_of(store.continue_deletion(EVENTS, 2, UNLIMITED))
    assert actions(engine, small.id)[-1] == "environment.deletion_completed"
    assert "environment.deletion_completed" not in actions(engine, staging.id)


def test_several_processes_continue_one_deletion_with_one_event_for_each_key(
    engine: Engine, store: Store, made: list[ApiKey], staging: Environment
) -> None:
    result_of(store.delete_environment(*samples.deletion_of(staging, LATER)))

    def work() -> None:
        while result_of(store.continue_deletion(EVENTS, 2, UNLIMITED)):
            pass

    at_once(work, work, work)
    assert all(actions(engine, key.id).count("api_key.revoked") == 1 for key in made)
    assert actions(engine, staging.id).count("environment.deletion_completed") == 1


def test_the_periodic_task_says_when_it_goes_on(
    store: Store, made: list[ApiKey], staging: Environment, caplog: pytest.LogCaptureFixture
) -> None:
    task = Batches(store, EVENTS, REVOCATIONS, SYSTEM.now)
    assert result_of(task.continue_deletion()) is None
    result_of(store.delete_environment(*samples.deletion_of(staging, LATER)))
    results = []
    while (result := result_of(task.continue_deletion())) is not None:
        results.append(result)
    assert set(results) <= {PAUSE_SECONDS}
    assert not result_of(store.has_pending_deletions())
    store.close()

    class Unavailable:
        async def continue_deletion(self, *_: object) -> bool:
            raise StoreUnavailable("the disk is full")

    task = Batches(Unavailable(), EVENTS, REVOCATIONS, SYSTEM.now)  # type: ignore[arg-type]
    assert result_of(task.continue_deletion()) is None
    assert "the disk is full" in caplog.text
