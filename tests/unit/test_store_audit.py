"""The audit log as the store keeps it: a chain, which every engine makes the same way."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database
from support.results import result_of, together
from unit import samples
from unit.conftest import Engine, Sqlite
from unit.test_store_conformance import at_once, failure

from hookstream_keys.domain import ids, keys
from hookstream_keys.store import (
    AuditEvent,
    AuditFilter,
    LastOwner,
    SqliteStore,
    Store,
    StoreUnavailable,
    Tenant,
    chain,
)
from hookstream_keys.store.sqlite.migrations import migrations


def add(store: Store, tenant: Tenant, **changes: Any) -> AuditEvent:
    """Add a key, and with it an event."""
    key = samples.key_of(tenant.tenancy.environment)
    event = samples.event_of(key, **changes)
    result_of(store.add_key(key, keys.generate("live").digest, event))
    return event


# Reading


def test_events_are_listed_as_they_were_stored_newest_first(store: Store, tenant: Tenant) -> None:
    org_id = tenant.tenancy.organization.id
    added = [
        add(store, tenant, user_id="usr_1", env_id="env_1", details={"a": ["\u00e9", {"b": None}]}),
        add(store, tenant, api_key_id="ak_1", ip_address=None),
    ]
    expected = [*added[::-1], *samples.events(tenant)[::-1]]
    assert (
        result_of(store.list_events(AuditFilter(org_id), before=None, limit=10)).items == expected
    )
    assert (
        result_of(store.list_events(AuditFilter(org_id), before=None, limit=3)).items
        == expected[:3]
    )


def test_events_of_another_organization_are_not_listed(store: Store, tenant: Tenant) -> None:
    event = add(store, tenant, org_id="org_2", resource_id="r")
    assert result_of(store.list_events(AuditFilter("org_2"), before=None, limit=10)).items == [
        event
    ]
    mine = result_of(
        store.list_events(AuditFilter(tenant.tenancy.organization.id), before=None, limit=10)
    ).items
    assert event not in mine
    assert result_of(store.list_events(AuditFilter("org_3"), before=None, limit=10)).items == []


def test_filters_are_joined_by_and(store: Store, tenant: Tenant) -> None:
    org_id = tenant.tenancy.organization.id
    values = {
        "env_id": ["env_1", "env_2"],
        "resource_type": ["api_key", "session"],
        "resource_id": ["a", "b"],
        # The first part is the type of the resource.
        "action": ["created", "revoked"],
    }
    chosen_of = [
        {name: pair[number >> bit & 1] for bit, (name, pair) in enumerate(values.items())}
        for number in range(16)
    ]
    events = [
        add(store, tenant, **{**each, "action": f"{each['resource_type']}.{each['action']}"})
        for each in chosen_of
    ]
    for number, event in enumerate(events):
        for given in range(16):
            chosen = [name for bit, name in enumerate(values) if given >> bit & 1]
            wanted = AuditFilter(org_id, **{name: getattr(event, name) for name in chosen})
            found = result_of(store.list_events(wanted, before=None, limit=100)).items
            expected = [
                other
                for other in reversed([*samples.events(tenant), *events])
                if all(getattr(other, name) == getattr(event, name) for name in chosen)
            ]
            assert found == expected, (number, chosen)


def test_a_position_divides_older_events_from_newer(store: Store, tenant: Tenant) -> None:
    org_id = tenant.tenancy.organization.id
    events = [add(store, tenant) for _ in range(4)]
    position = result_of(store.find_event_position(org_id, events[2].id))
    assert position is not None
    add(store, tenant)
    older = result_of(store.list_events(AuditFilter(org_id), before=position, limit=2)).items
    assert older == [events[1], events[0]]


def test_an_event_has_no_position_elsewhere(store: Store, tenant: Tenant) -> None:
    event = samples.events(tenant)[0]
    assert (
        result_of(store.find_event_position(tenant.tenancy.organization.id, ids.new("al"))) is None
    )
    assert result_of(store.find_event_position(ids.new("org"), event.id)) is None


def test_roles_are_found_by_organization(engine: Engine, store: Store, tenant: Tenant) -> None:
    assert result_of(store.roles_of(tenant.user.id)) == {tenant.tenancy.organization.id: "owner"}
    assert result_of(store.roles_of(ids.new("usr"))) == {}
    engine.run('update "member" set role = ?', "admin,member")
    assert result_of(store.roles_of(tenant.user.id)) == {
        tenant.tenancy.organization.id: "admin,member"
    }


# The chain


def test_the_chain_of_an_empty_log_holds(store: Store) -> None:
    found = store.check_audit_log()
    assert (found.rows, found.head, found.fault) == (0, "0" * 64, None)


def test_every_event_continues_the_chain(engine: Engine, store: Store, tenant: Tenant) -> None:
    heads = [store.check_audit_log().head]
    for number in range(3):
        add(store, tenant, details={"n": number, "text": "\N{GRINNING FACE}\x7f\u2028"})
        found = store.check_audit_log()
        assert (found.rows, found.fault) == (len(samples.events(tenant)) + number + 1, None)
        assert found.head not in heads
        heads.append(found.head)
    for kept in heads:
        assert store.check_audit_log(kept).fault is None
    stored = engine.run("select hash from audit_log order by seq")
    assert [row[0] for row in stored][-4:] == heads


def test_a_failed_write_leaves_the_chain_unchanged(store: Store, tenant: Tenant) -> None:
    before = store.check_audit_log()
    failure(lambda: add(store, tenant, id=samples.events(tenant)[0].id))
    assert store.check_audit_log() == before


def test_a_group_that_sqlite_rolls_back_leaves_the_chain_unchanged(
    sqlite: Sqlite, tenant: Tenant
) -> None:
    store = SqliteStore(sqlite.path)
    before = store.check_audit_log()

    def group() -> None:
        with together(store):
            add(store, tenant)
            connection = store.connection()
            # The database is full from now on: SQLite then rolls the whole transaction back.
            connection.execute("pragma max_page_count = 1")
            failed = failure(lambda: add(store, tenant, details={"n": "n" * 100_000}))
            assert isinstance(failed, StoreUnavailable)
            assert not connection.in_transaction

    assert isinstance(failure(group), StoreUnavailable)
    assert store.check_audit_log() == before
    store.close()


def test_a_rolled_back_savepoint_in_a_group_commit_keeps_the_chain_valid(
    store: Store, tenant: Tenant
) -> None:
    """The last owner's removal fails after its event was added; others come before and after."""
    event = samples.event_of(tenant.key)
    with together(store):
        add(store, tenant)
        with pytest.raises(LastOwner):
            result_of(
                store.remove_member(tenant.tenancy.member.org_id, tenant.tenancy.member.id, event)
            )
        add(store, tenant)
    found = store.check_audit_log()
    assert (found.fault, found.rows) == (None, len(samples.events(tenant)) + 2)

    def undone() -> None:
        with together(store):
            add(store, tenant)
            raise StoreUnavailable("all of it is undone")

    with pytest.raises(StoreUnavailable):
        undone()
    add(store, tenant)
    assert store.check_audit_log().fault is None


def test_many_threads_make_one_chain(store: Store, tenant: Tenant) -> None:
    def write() -> None:
        for _ in range(10):
            add(store, tenant)

    at_once(*[write] * 4, lambda: [store.check_audit_log() for _ in range(10)])
    found = store.check_audit_log()
    assert (found.rows, found.fault) == (len(samples.events(tenant)) + 40, None)


# SQLite: what a process with access to the file can do


@pytest.fixture
def stored(opened: SqliteStore) -> Tenant:
    tenant = samples.tenant()
    result_of(opened.add_first_tenant(tenant))
    for _ in range(4):
        add(opened, tenant)
    return tenant


def unprotect(sqlite: Sqlite) -> None:
    for change in ("update", "delete"):
        sqlite.run(f"drop trigger audit_log_no_{change}")


@pytest.mark.usefixtures("opened", "stored")
@pytest.mark.parametrize(
    "change",
    ["update audit_log set action = 'x' where seq = 2", "delete from audit_log where seq = 6"],
)
def test_the_log_is_not_changed_by_accident(sqlite: Sqlite, change: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="only added to"):
        sqlite.run(change)


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("column", [*chain.COLUMNS[1:], "hash"])
def test_a_change_of_any_column_is_detected(
    sqlite: Sqlite, opened: SqliteStore, column: str
) -> None:
    unprotect(sqlite)
    value = {"details": '{"name": "x"}', "hash": "0" * 64}.get(column, "x")
    sqlite.run(f"update audit_log set {column} = ? where seq = 4", value)
    fault = opened.check_audit_log().fault
    assert fault is not None
    assert (fault.problem, fault.seq) == ("changed", 4)


def test_the_hash_covers_every_column_but_itself(sqlite: Sqlite, opened: SqliteStore) -> None:
    result_of(opened.check())
    columns = [row[0] for row in sqlite.run("select name from pragma_table_info('audit_log')")]
    assert columns == [*chain.COLUMNS, "hash"]


@pytest.mark.usefixtures("stored")
def test_text_that_is_no_utf_8_is_found_and_does_no_harm(
    sqlite: Sqlite, opened: SqliteStore
) -> None:
    unprotect(sqlite)
    sqlite.run("update audit_log set id = cast(x'ff' as text) where seq = 4")
    fault = opened.check_audit_log().fault
    assert fault is not None
    assert (fault.problem, fault.seq) == ("changed", 4)


def test_a_truncated_chain_is_detected_after_the_next_event(
    sqlite: Sqlite, opened: SqliteStore, stored: Tenant
) -> None:
    unprotect(sqlite)
    sqlite.run("delete from audit_log where seq = 6")
    for _ in range(2):
        fault = opened.check_audit_log().fault
        assert fault is not None
        assert (fault.problem, fault.seq) == ("removed", 6)
        add(opened, stored)


@pytest.mark.parametrize(
    "harm", ["delete from audit_head", f"update audit_head set hash = '{'x' * 64}'"]
)
def test_without_its_head_nothing_is_done_that_cannot_be_recorded(
    sqlite: Sqlite, opened: SqliteStore, stored: Tenant, harm: str
) -> None:
    sqlite.run(harm)
    with pytest.raises(StoreUnavailable, match="audit verify"):
        add(opened, stored)
    fault = opened.check_audit_log().fault
    assert fault is not None
    assert (fault.problem, sqlite.run("select count(*) from api_key")) == ("head", [(5,)])


# Upgrades


def unchained(path: Path, rows: int) -> Tenant:
    """A database from before the chain, with events whose numbers have gaps."""
    tenant = samples.tenant()
    with closing(sqlite3.connect(path)) as connection:
        migrations.apply(Database(connection), stop_before="m0004_audit_chain")
        for number in range(rows):
            of_environment = number % 3 == 0
            connection.execute(
                """insert into audit_log (seq, id, org_id, user_id, api_key_id, action,
                       resource_type, resource_id, details, ip_address, request_id, created_at)
                   values (?, ?, ?, null, null, ?, ?, ?, ?, null, 'req_1', ?)""",
                (
                    2 * number + 5,
                    f"al_{number}",
                    tenant.tenancy.organization.id,
                    "environment.created" if of_environment else "api_key.created",
                    "environment" if of_environment else "api_key",
                    f"r_{number}",
                    '{ "name":"x" }' if number % 3 < 2 else '{"env_id":"env_1"}',
                    samples.NOON,
                ),
            )
        connection.commit()
    return tenant


@pytest.mark.parametrize("rows", [0, 1, 7])
def test_rows_from_before_the_chain_are_chained(tmp_path: Path, rows: int) -> None:
    path = tmp_path / "keys.db"
    tenant = unchained(path, rows)
    store = SqliteStore(path)
    assert "m0004_audit_chain" in store.migrate()
    found = store.check_audit_log()
    assert (found.rows, found.fault) == (rows, None)
    events = result_of(
        store.list_events(AuditFilter(tenant.tenancy.organization.id), before=None, limit=10)
    ).items[::-1]
    assert [event.id for event in events] == [f"al_{number}" for number in range(rows)]
    env_ids = ["r_0", None, "env_1", "r_3", None, "env_1", "r_6"]
    assert [event.env_id for event in events] == env_ids[:rows]
    assert result_of(store.add_first_tenant(tenant))
    assert store.check_audit_log(found.head).fault is None
    assert store.check_audit_log().rows == rows + len(samples.events(tenant))
    store.close()
