"""Retention: what is pruned and when, and that it is found by an index, in batches."""

import dataclasses
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from support.results import result_of
from unit import samples
from unit.conftest import Engine, Sqlite
from unit.test_store_conformance import at_once

from hookstream_keys.domain import ids, keys, timestamps
from hookstream_keys.runtime.retention import BATCH, Pruning, periods
from hookstream_keys.settings import Settings
from hookstream_keys.store import (
    ApiKey,
    Attempts,
    IdempotencyRecord,
    Prunable,
    Rotation,
    SqliteStore,
    Store,
    StoreUnavailable,
    Tenant,
)

NOON = datetime.fromisoformat(samples.NOON)
DAY = timedelta(days=1)
KINDS: tuple[Prunable, ...] = (
    "sessions",
    "verifications",
    "idempotency_records",
    "rotations",
    "environments",
)


def text_at(moment: datetime) -> str:
    return timestamps.to_text(moment)


def count(engine: Engine, table: str) -> int:
    return int(engine.run(f'select count(*) from "{table}"')[0][0])


# Sessions and verifications


def add_verification(engine: Engine, name: str, expires_at: str | float) -> None:
    engine.run(
        """insert into "verification" (id, identifier, value, "expiresAt", "createdAt", "updatedAt")
           values (?, 'x', 'y', ?, ?, ?)""",
        name,
        expires_at,
        samples.NOON,
        samples.NOON,
    )


def add_expiring(
    engine: Engine, tenant: Tenant, what: Prunable, name: str, expires_at: Any
) -> None:
    if what == "sessions":
        engine.add_session(name, tenant.user.id, expires_at)
    else:
        add_verification(engine, f"id-of-{name}", expires_at)


EXPIRING: dict[Prunable, str] = {"sessions": "session", "verifications": "verification"}


# In the formats of better-auth's adapters for SQLite.
@pytest.mark.usefixtures("sqlite")
@pytest.mark.parametrize("what", EXPIRING)
@pytest.mark.parametrize(
    ("expires_at", "over"),
    [
        ("2026-11-24T12:00:00.000Z", True),
        ("2026-11-24T12:00:00.001Z", False),
        ("2026-11-24T11:59:59Z", True),
        ("2026-11-23T11:00:00.000Z", True),
        ("2001-01-01T00:00:00.000Z", True),
        ("2026-12-01T12:00:00.000Z", False),
        (1_795_521_600_000, True),
        (1_795_521_600_001, False),
        (1_795_521_600_000.0, True),
        (0, True),
        # In other forms within a day.
        ("2026-11-23 11:00:00", True),
        ("2026-11-24 11:00:00", False),
        ("2026-11-24T13:00:00.000+02:00", False),
        ("2026-11-23T11:00:00.000-12:00", True),
        ("2026-11-25T01:00:00.000+14:00", False),
        # What is no time is not over.
        ("never", False),
        ("", False),
        (b"\0", False),
    ],
)
def test_expired_rows_are_pruned_in_every_format(
    engine: Engine,
    store: Store,
    tenant: Tenant,
    what: Prunable,
    expires_at: Any,
    *,
    over: bool,
) -> None:
    add_expiring(engine, tenant, what, "one", expires_at)
    assert result_of(store.prune(what, NOON, 10)) == int(over)
    assert count(engine, EXPIRING[what]) == int(not over)


def test_exactly_the_expired_sessions_are_pruned(
    engine: Engine, store: Store, tenant: Tenant
) -> None:
    for number in range(-30, 30):
        expires = NOON + timedelta(milliseconds=number)
        engine.add_session(f"text{number}", tenant.user.id, text_at(expires))
        engine.add_session(f"number{number}", tenant.user.id, int(expires.timestamp() * 1000))
    tokens = [row[0] for row in engine.run('select token from "session"')]
    alive = {token for token in tokens if result_of(store.find_session(token, samples.NOON))}
    result_of(store.prune("sessions", NOON, 1000))
    assert {row[0] for row in engine.run('select token from "session"')} == alive


# Idempotency records


def test_idempotency_records_are_pruned_by_their_age(
    engine: Engine, store: Store, tenant: Tenant
) -> None:
    for hours in (30, 24, 23):
        key = samples.key_of(tenant.tenancy.environment)
        record = IdempotencyRecord(
            id=hours.to_bytes(32), fingerprint=bytes(32), sealed=b"",
            created_at=text_at(NOON - timedelta(hours=hours)),
        )  # fmt: skip
        result_of(store.add_key(key, keys.generate("live").digest, samples.event_of(key), record))
    assert result_of(store.prune("idempotency_records", NOON - DAY, 10)) == 2
    assert engine.run("select id from receipt") == [((23).to_bytes(32),)]


# Rotations


def rotate(store: Store, key: ApiKey, **changes: Any) -> Rotation:
    values: dict[str, Any] = {
        "id": ids.new("rot"),
        "key_id": key.id,
        "prefix": key.prefix,
        "state": "pending",
        "grace_period_seconds": 60,
        "sets_expiry": False,
        "expires_at": None,
        "created_at": samples.NOON,
        "created_by": None,
    }
    rotation = Rotation(**values | changes)
    digest = keys.generate("live").digest
    assert result_of(
        store.add_rotation(rotation, digest, samples.event_of(key, action="api_key.rotated"))
    )
    return rotation


def test_rotations_are_pruned_once_cancelled_or_past_their_grace_period(
    engine: Engine, store: Store, tenant: Tenant
) -> None:
    key = tenant.key
    first = rotate(store, key)
    late = text_at(NOON + 10 * DAY)
    event = samples.event_of(key, action="api_key.rotation_cancelled", created_at=late)
    assert result_of(store.cancel_rotation(key.org_id, key.id, first.id, event))
    replaced = rotate(store, key, created_at=text_at(NOON + 11 * DAY))
    activated = rotate(store, key, created_at=text_at(NOON + 12 * DAY))
    grace = text_at(NOON + 13 * DAY)
    assert result_of(store.activate_rotation(activated.id, grace, grace, samples.event_of(key)))
    pending = rotate(store, key, created_at=samples.NOON)

    def left() -> set[str]:
        return {row[0] for row in engine.run("select id from rotation")}

    for days, stay in (
        (9.9, {first.id, replaced.id, activated.id, pending.id}),
        (10, {replaced.id, activated.id, pending.id}),
        # It was cancelled by the next.
        (12, {activated.id, pending.id}),
        (13, {pending.id}),
        (9000, {pending.id}),
    ):
        result_of(store.prune("rotations", NOON + timedelta(days=days), 10))
        assert left() == stay
    assert result_of(store.find_key_by_id(key.id)) is not None


def test_a_rotation_that_was_cancelled_before_the_upgrade_counts_from_its_beginning(
    sqlite: Sqlite, store: SqliteStore, tenant: Tenant
) -> None:
    first = rotate(store, tenant.key)
    rotate(store, tenant.key, created_at=text_at(NOON + DAY))
    # As an older version has left it.
    for statement in (
        "drop index rotation_cancelled",
        "drop index rotation_grace",
        "drop index environment_deleted",
        "alter table rotation drop column cancelled_at",
        "delete from _sqlite_migrations where name = 'm0014_retention'",
    ):
        sqlite.run(statement)
    assert store.migrate() == ["m0014_retention"]
    assert sqlite.run("select id, cancelled_at from rotation where cancelled_at is not null") == [
        (first.id, samples.NOON)
    ]
    assert result_of(store.prune("rotations", NOON, 10)) == 1


# Environments


def delete_environment(store: Store, tenant: Tenant, at: datetime) -> None:
    assert result_of(
        store.delete_environment(*samples.deletion_of(tenant.tenancy.environment, text_at(at)))
    )


def test_a_deleted_environment_goes_with_its_keys_in_batches(
    engine: Engine, store: Store, tenant: Tenant
) -> None:
    environment = tenant.tenancy.environment
    for _ in range(4):
        key = samples.key_of(environment)
        result_of(store.add_key(key, keys.generate("live").digest, samples.event_of(key)))
    for _ in range(6):
        rotate(store, tenant.key)
    result_of(store.add_usage([Attempts(tenant.key.id, "VALID", 1, samples.NOON, None)]))
    events = count(engine, "audit_log")
    delete_environment(store, tenant, NOON)
    deleted = count(engine, "audit_log")
    assert result_of(store.prune("environments", NOON - timedelta(milliseconds=1), 4)) == 0
    removed = []
    while pruned := result_of(store.prune("environments", NOON, 4)):
        removed.append(pruned)
    # Six rotations, five keys, and last the environment. Which key comes first is up to its id.
    assert (sum(removed), max(removed), removed[-1]) == (12, 4, 1)
    for table in ("environment", "api_key", "rotation", "key_usage"):
        assert count(engine, table) == 0
    # The log keeps its events, and gets no more.
    assert count(engine, "audit_log") == deleted > events
    assert store.check_audit_log().fault is None
    assert count(engine, "organization") == 1


def test_an_environment_that_is_not_deleted_stays(
    engine: Engine, store: Store, tenant: Tenant
) -> None:
    assert result_of(store.prune("environments", NOON + 9999 * DAY, 10)) == 0
    assert count(engine, "api_key") == 1


# Batches, and what they cost


@pytest.mark.usefixtures("sqlite")
@pytest.mark.parametrize("what", EXPIRING)
def test_a_batch_is_no_larger_than_asked_for(
    engine: Engine, store: Store, tenant: Tenant, what: Prunable
) -> None:
    for number in range(10):
        form: Any = (text_at(NOON - DAY * number), 1000 * number, "2001-01-01 00:00:00")[number % 3]
        add_expiring(engine, tenant, what, str(number), form)
    assert [result_of(store.prune(what, NOON, 4)) for _ in range(4)] == [4, 4, 2, 0]


@contextmanager
def traced(store: SqliteStore) -> Iterator[list[str]]:
    """The statements that this thread's connection runs."""
    statements: list[str] = []
    connection = store.connection()
    connection.set_trace_callback(statements.append)
    yield statements
    connection.set_trace_callback(None)


@pytest.mark.parametrize("what", KINDS)
def test_rows_are_found_by_an_index_and_nothing_is_locked_where_there_are_none(
    sqlite: Sqlite, store: SqliteStore, tenant: Tenant, what: Prunable
) -> None:
    with traced(store) as statements:
        assert result_of(store.prune(what, NOON, BATCH)) == 0
    assert statements
    assert not [each for each in statements if each.startswith(("begin", "delete"))]
    with closing(sqlite3.connect(sqlite.path)) as connection:
        for statement in statements:
            plan = [row[3] for row in connection.execute(f"explain query plan {statement}")]
            assert plan
            assert all(
                step.startswith(("SEARCH", "USING INDEX")) and "INDEX" in step for step in plan
            ), plan


def test_keys_of_an_environment_are_found_by_indexes(
    sqlite: Sqlite, store: SqliteStore, tenant: Tenant
) -> None:
    rotate(store, tenant.key)
    delete_environment(store, tenant, NOON)
    with traced(store) as statements:
        while result_of(store.prune("environments", NOON, 10)):
            pass
    with closing(sqlite3.connect(sqlite.path)) as connection:
        asked = [each for each in statements if each.startswith(("select", "delete from"))]
        assert len(asked) > 8
        for statement in asked:
            plan = [row[3] for row in connection.execute(f"explain query plan {statement}")]
            assert not [step for step in plan if step.startswith("SCAN")], (statement, plan)


def test_several_prune_at_once_without_harm(engine: Engine, store: Store, tenant: Tenant) -> None:
    for number in range(200):
        engine.add_session(f"token{number}", tenant.user.id, text_at(NOON - DAY))
    engine.add_session("alive", tenant.user.id, text_at(NOON + DAY))
    pruned: list[int] = []

    def prune() -> None:
        while done := result_of(store.prune("sessions", NOON, 7)):
            pruned.append(done)

    at_once(*[prune] * 4)
    assert sum(pruned) == 200
    assert engine.run('select token from "session"') == [("alive",)]


# The periodic task


def test_the_periods_are_the_settings() -> None:
    assert periods(Settings()) == {
        "sessions": timedelta(0),
        "verifications": timedelta(0),
        "idempotency_records": DAY,
        "rotations": 90 * DAY,
        "environments": 90 * DAY,
    }
    changed = dataclasses.replace(
        Settings(), retention_sessions="off", retention_rotations="0", retention_environments="7"
    )
    found = periods(changed)
    assert "sessions" not in found
    assert (found["rotations"], found["environments"]) == (timedelta(0), 7 * DAY)


@pytest.fixture
def pruning(store: Store) -> Callable[..., Pruning]:
    def make(**kept: timedelta) -> Pruning:
        named: dict[Prunable, timedelta] = {what: kept[what] for what in KINDS if what in kept}
        return Pruning(store, named, now=lambda: NOON)

    return make


def test_one_kind_is_pruned_at_a_time_and_each_gets_its_turn(
    engine: Engine, tenant: Tenant, pruning: Callable[..., Pruning]
) -> None:
    for number in range(BATCH * 2 + 1):
        engine.add_session(f"token{number}", tenant.user.id, text_at(NOON))
    add_verification(engine, "one", text_at(NOON))
    task = pruning(sessions=timedelta(0), verifications=timedelta(0))
    left = []
    while result_of(task.prune_batch()):
        left.append((count(engine, "session"), count(engine, "verification")))
    assert left == [(BATCH + 1, 1), (BATCH + 1, 0), (1, 0), (0, 0)]


def test_a_period_is_kept_and_a_kind_without_one_stays(
    engine: Engine, tenant: Tenant, pruning: Callable[..., Pruning]
) -> None:
    for days in (3, 2, 1):
        engine.add_session(f"token{days}", tenant.user.id, text_at(NOON - days * DAY))
    add_verification(engine, "one", text_at(NOON - 3 * DAY))
    task = pruning(sessions=2 * DAY)
    assert [result_of(task.prune_batch()), result_of(task.prune_batch())] == [True, False]
    assert engine.run('select token from "session"') == [("token1",)]
    assert count(engine, "verification") == 1


def test_failed_prunes_are_retried(
    engine: Engine, tenant: Tenant, store: Store, pruning: Callable[..., Pruning]
) -> None:
    engine.add_session("token", tenant.user.id, text_at(NOON))
    add_verification(engine, "one", text_at(NOON))
    engine.run('alter table "session" rename to elsewhere')
    with pytest.raises(StoreUnavailable):
        result_of(store.prune("sessions", NOON, 1))
    task = pruning(sessions=timedelta(0), verifications=timedelta(0))
    # The other kind is none the worse for it.
    assert [result_of(task.prune_batch()), result_of(task.prune_batch())] == [True, False]
    engine.run('alter table elsewhere rename to "session"')
    assert result_of(task.prune_batch())
    assert count(engine, "session") == 0
