"""Pending revocations: the descendants of a user or key, revoked in batches."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from support.results import result_of, together
from unit import samples
from unit.conftest import Engine
from unit.test_store_conformance import at_once

from hookstream_keys.domain import ids, keys, timestamps
from hookstream_keys.domain.sources import SYSTEM
from hookstream_keys.handlers import audit
from hookstream_keys.handlers.descendants import revocation_by
from hookstream_keys.runtime.batches import KEPT, PAUSE_SECONDS, Batches
from hookstream_keys.store import (
    ApiKey,
    RevocationProgress,
    Rotation,
    Store,
    StoreUnavailable,
    Tenant,
)
from hookstream_keys.store.sql.batches import ROWS_AT_ONCE

EVENTS = audit.revocation_events(SYSTEM)
REASON = "keyCompromise"
UNLIMITED = float("inf")
#: More keys than are revoked at once.
MANY = ROWS_AT_ONCE + 25


class Family:
    """Keys that a key and its descendants created, in a tree of any form, and others."""

    def __init__(self, store: Store, tenant: Tenant) -> None:
        self.store = store
        self.tenant = tenant
        self.root = self.add(tenant.user.id)
        self.event = samples.event_of(self.root, action="api_key.revoked")

    def add(self, creator: str, **changes: object) -> ApiKey:
        environment = self.tenant.tenancy.environment
        key = samples.key_of(environment, created_by=creator, **changes)
        digest = keys.generate("test").digest
        result_of(self.store.add_key(key, digest, samples.event_of(key)))
        return key

    def add_tree(self, most: int, seed: int = 0) -> list[ApiKey]:
        """Descendants: each by any of those before it."""
        # Test data, the same at each run.
        source = random.Random(seed)  # noqa: S311
        made: list[ApiKey] = []
        with together(self.store):
            for _ in range(most):
                made.append(self.add(source.choice([self.root, *made]).id))
        return made

    def revoke(self, kept_role: str | None = None) -> RevocationProgress:
        """Revoke the root, and begin with its descendants."""
        root = self.root
        return result_of(
            self.store.revoke_key(
                root.org_id,
                root.id,
                samples.NOON,
                REASON,
                self.event,
                revocation_by(SYSTEM, self.event, REASON, root.id, kept_role),
            )
        )

    def step(self, rows: int) -> RevocationProgress:
        return result_of(self.store.continue_revocation(self.event.id, EVENTS, rows, UNLIMITED))

    def is_valid(self, key: ApiKey) -> bool:
        found = result_of(self.store.find_key_by_id(key.id))
        assert found is not None
        return found.revoked_at is None


@pytest.fixture
def family(store: Store, tenant: Tenant) -> Family:
    return Family(store, tenant)


def events_of(engine: Engine, resource_id: str, action: str) -> list[str]:
    rows = engine.run(
        "select details from audit_log where resource_id = ? and action = ?", resource_id, action
    )
    return [details for (details,) in rows]


def test_few_descendants_are_revoked_in_the_transaction_of_the_change(
    engine: Engine, family: Family
) -> None:
    made = family.add_tree(10)
    assert family.revoke() == (11, True)
    assert not any(family.is_valid(key) for key in made)
    assert engine.run("select count(*) from pending_revocation") == [(0,)]


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_many_are_revoked_in_batches_each_once(engine: Engine, family: Family, rows: int) -> None:
    made = family.add_tree(MANY, seed=rows)
    other = family.add(family.tenant.user.id)
    progress = family.revoke()
    assert not progress.is_complete
    assert progress.keys_revoked < MANY
    while not progress.is_complete:
        progress = family.step(rows)
    assert progress.keys_revoked == MANY + 1
    assert not any(family.is_valid(key) for key in made)
    assert family.is_valid(other)
    for key in made:
        (details,) = events_of(engine, key.id, "api_key.revoked")
        assert f'"revoked_with":"{family.root.id}"' in details
    # Complete, it does nothing more.
    assert family.step(rows) == progress


def test_a_batch_is_bounded_by_rows_and_by_time(engine: Engine, family: Family) -> None:
    """In a chain, a row visited on the way down is a key."""
    with together(family.store):
        creator = family.root
        for _ in range(MANY + 10):
            creator = family.add(creator.id)
    assert family.revoke().keys_revoked == ROWS_AT_ONCE + 1
    assert family.step(10).keys_revoked == ROWS_AT_ONCE + 11
    one = result_of(family.store.continue_revocation(family.event.id, EVENTS, 10, 0.0))
    assert one.keys_revoked == ROWS_AT_ONCE + 12


def test_keys_that_a_descendant_creates_meanwhile_are_revoked(family: Family) -> None:
    made = family.add_tree(MANY)
    family.revoke()
    left = [key for key in made if family.is_valid(key)]
    late = [family.add(key.id) for key in left]
    while not family.step(3).is_complete:
        pass
    assert not any(family.is_valid(key) for key in late)


def test_descendants_of_revoked_and_kept_keys_are_found(family: Family) -> None:
    revoked = family.add(family.root.id)
    behind = family.add(revoked.id, role="owner")
    kept = family.add(family.root.id, role="member")
    event = samples.event_of(revoked, action="api_key.revoked")
    result_of(
        family.store.revoke_key(revoked.org_id, revoked.id, samples.NOON, "superseded", event)
    )
    assert family.revoke(kept_role="member") == (2, True)
    found = result_of(family.store.find_key_by_id(revoked.id))
    assert found is not None
    assert found.revocation_reason == "superseded"
    assert not family.is_valid(behind)
    assert family.is_valid(kept)


def rotate(store: Store, key: ApiKey, creator: str) -> str:
    made = Rotation(
        id=ids.new("rot"), key_id=key.id, prefix=key.prefix, state="pending",
        grace_period_seconds=60, sets_expiry=False, expires_at=None, created_at=samples.NOON,
        created_by=creator,
    )  # fmt: skip
    assert result_of(store.add_rotation(made, keys.generate("test").digest, samples.event_of(key)))
    return made.id


def test_pending_rotations_of_other_keys_are_cancelled(engine: Engine, family: Family) -> None:
    store, (child, *_) = family.store, family.add_tree(MANY)
    others = [family.add(family.tenant.user.id) for _ in range(3)]
    lesser = family.add(family.tenant.user.id, role="member")
    cancelled = [
        rotate(store, others[0], family.root.id),
        rotate(store, others[1], child.id),
    ]
    stays = [rotate(store, others[2], family.tenant.user.id), rotate(store, lesser, child.id)]
    family.revoke(kept_role="member")
    # The revoked key's own in the same transaction.
    assert engine.run("select state from rotation where id = ?", cancelled[0]) == [("cancelled",)]
    while not family.step(2).is_complete:
        pass
    states = dict(engine.run("select id, state from rotation"))
    assert {states[each] for each in cancelled} == {"cancelled"}
    assert {states[each] for each in stays} == {"pending"}
    (details,) = events_of(engine, others[1].id, "api_key.rotation_cancelled")
    assert f'"cancelled_with":"{family.root.id}"' in details


def test_a_pruned_key_does_not_stop_it(engine: Engine, family: Family) -> None:
    """Where its environment's rows are pruned, the traversal begins again."""
    made = family.add_tree(MANY)
    family.revoke()
    ((pruned,),) = engine.run("select creator from pending_revocation")
    assert pruned != family.root.id
    engine.run("delete from api_key where id = ?", pruned)
    while not family.step(5).is_complete:
        pass
    gone = {pruned}
    for key in made:
        if key.created_by in gone:
            gone.add(key.id)
    reached = [key for key in made if key.id not in gone]
    assert len(reached) > ROWS_AT_ONCE // 2
    assert not any(family.is_valid(key) for key in reached)


def test_the_periodic_task_finishes_what_was_interrupted(
    engine: Engine, family: Family, caplog: pytest.LogCaptureFixture
) -> None:
    made, store = family.add_tree(MANY), family.store
    later = SYSTEM.now() + KEPT + timedelta(seconds=1)
    task = Batches(store, samples.deletion_of(samples.organization())[2], EVENTS, SYSTEM.now)
    assert result_of(task.continue_revocation()) is None
    family.event = replace(family.event, created_at=timestamps.to_text(SYSTEM.now()))
    family.revoke()
    results = []
    while (result := result_of(task.continue_revocation())) is not None:
        results.append(result)
    assert set(results) <= {PAUSE_SECONDS}
    assert not any(family.is_valid(key) for key in made)
    # The number is kept for the request that may wait for it.
    assert family.step(1) == (MANY + 1, True)
    task = Batches(store, samples.deletion_of(samples.organization())[2], EVENTS, lambda: later)
    assert result_of(task.continue_revocation()) is None
    assert engine.run("select count(*) from pending_revocation") == [(0,)]
    with pytest.raises(StoreUnavailable):
        family.step(1)
    assert not caplog.records


def test_several_processes_work_on_one(engine: Engine, family: Family) -> None:
    made = family.add_tree(3 * MANY)
    family.revoke()

    def work() -> None:
        while not family.step(2).is_complete:
            pass

    at_once(work, work, work)
    assert all(len(events_of(engine, key.id, "api_key.revoked")) == 1 for key in made)


def test_two_revocations_advance_in_turn(store: Store, tenant: Tenant) -> None:
    families = [Family(store, tenant) for _ in range(2)]
    made = [family.add_tree(MANY) for family in families]
    for family in families:
        family.revoke()
    before = timestamps.to_text(SYSTEM.now())
    for _ in range(4):
        assert result_of(store.continue_revocations(EVENTS, 5, UNLIMITED, before))
    for family, of_it in zip(families, made, strict=True):
        assert sum(not family.is_valid(key) for key in of_it) > ROWS_AT_ONCE // 2
        assert not family.step(1).is_complete
