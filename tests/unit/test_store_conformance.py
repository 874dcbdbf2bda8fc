"""What every engine must do. Nothing here knows which one it is."""

import dataclasses
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from support.results import result_of
from unit import samples
from unit.conftest import Engine

from hookstream_keys.domain import ids, keys, timestamps
from hookstream_keys.store import (
    DatabaseTooNew,
    ForeignKeyViolation,
    LastOwner,
    Store,
    StoreError,
    StoreUnavailable,
    Tenant,
    UniqueViolation,
    UnsupportedDatabase,
    open_store,
)

NOON = datetime.fromisoformat(samples.NOON)
MILLISECOND = timedelta(milliseconds=1)

TABLES = [
    '"user"',
    '"account"',
    '"organization"',
    '"member"',
    "environment",
    "api_key",
    "audit_log",
]


def counts(engine: Engine) -> dict[str, int]:
    return {table: engine.run(f"select count(*) from {table}")[0][0] for table in TABLES}


def at_once(*actions: Callable[[], object]) -> None:
    """Run every action in a thread of its own, all at the same time."""
    start = threading.Barrier(len(actions))
    failures: list[BaseException] = []

    def run(action: Callable[[], object]) -> None:
        start.wait()
        try:
            action()
        except BaseException as failure:  # noqa: BLE001 - raised again below
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def failure(action: Callable[[], object]) -> Exception:
    """What it raises. Which error a defect of ours becomes is the engine's own affair."""
    try:
        action()
    except Exception as caught:  # noqa: BLE001
        return caught
    pytest.fail("nothing was raised")


# Migrations


def test_a_new_database_is_ready_once_it_is_migrated(engine: Engine) -> None:
    store = open_store(engine.url)
    applied = store.migrate()
    assert applied
    assert applied == sorted(applied)
    result_of(store.check())
    store.close()


def test_a_missing_database_is_not_ready(engine: Engine) -> None:
    store = open_store(engine.url)
    with pytest.raises(StoreUnavailable):
        result_of(store.check())
    with pytest.raises(StoreUnavailable):
        result_of(store.find_key(bytes(32)))
    store.close()


def test_migrating_again_changes_nothing(engine: Engine, store: Store, tenant: Tenant) -> None:
    before = counts(engine)
    assert store.migrate() == []
    assert counts(engine) == before
    assert result_of(store.find_key(tenant.key_digest)) == tenant.key


MIGRATE = """
import sys
from hookstream_keys.store import open_store
store = open_store(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(len(store.migrate()))
store.run(store.check())
"""


def test_of_8_processes_that_migrate_at_once_one_does_it_and_all_succeed(engine: Engine) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", MIGRATE, engine.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    ends = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, ends
    applied = sorted(int(output) for output, _ in ends)
    assert applied[:7] == [0] * 7
    assert applied[7] > 0


# The first tenant


def test_the_first_tenant_is_stored_whole(engine: Engine, store: Store, tenant: Tenant) -> None:
    environment = tenant.tenancy.environment
    assert result_of(store.find_key(tenant.key_digest)) == tenant.key
    assert result_of(store.find_environment(environment.id)) == environment
    assert result_of(store.find_organization(environment.org_id)) == tenant.tenancy.organization
    assert (
        result_of(store.find_member(environment.org_id, tenant.tenancy.member.id))
        == tenant.tenancy.member
    )
    assert result_of(store.find_user(tenant.user.id)) == tenant.user
    assert counts(engine) == dict.fromkeys(TABLES, 1) | {"audit_log": 2}


def test_the_owner_has_a_password_as_better_auth_stores_it(engine: Engine, tenant: Tenant) -> None:
    user = tenant.user
    accounts = engine.run('select id, "accountId", "providerId", "userId", password from "account"')
    stored = tenant.credential
    assert accounts == [(stored.account_id, user.id, "credential", user.id, stored.password_hash)]


def test_the_member_is_the_owner(engine: Engine, tenant: Tenant) -> None:
    members = engine.run('select id, "organizationId", "userId", role from "member"')
    member = tenant.tenancy.member
    assert members == [(member.id, tenant.tenancy.organization.id, tenant.user.id, "owner")]


def test_there_is_no_second_first_tenant(engine: Engine, store: Store, tenant: Tenant) -> None:
    before = counts(engine)
    assert result_of(store.add_first_tenant(samples.tenant())) is False
    assert counts(engine) == before
    assert result_of(store.find_key(tenant.key_digest)) == tenant.key


@pytest.mark.parametrize("left", ['"user"', '"organization"'])
def test_a_user_or_an_organization_is_enough_to_be_no_first_tenant(
    engine: Engine, store: Store, tenant: Tenant, left: str
) -> None:
    for table in ("api_key", "environment", '"member"', '"account"', '"organization"', '"user"'):
        if table != left:
            engine.run(f"delete from {table}")
    assert engine.run(f"select count(*) from {left}") == [(1,)]
    assert result_of(store.add_first_tenant(samples.tenant())) is False


def test_of_two_first_tenants_at_once_one_is_stored(engine: Engine, store: Store) -> None:
    stored: list[bool] = []
    tenants = [samples.tenant() for _ in range(4)]
    at_once(
        *(lambda one=one: stored.append(result_of(store.add_first_tenant(one))) for one in tenants)
    )
    assert sorted(stored) == [False, False, False, True]
    assert counts(engine)['"organization"'] == 1
    assert sum(result_of(store.find_key(one.key_digest)) is not None for one in tenants) == 1


def test_a_first_tenant_that_cannot_be_stored_leaves_nothing(engine: Engine, store: Store) -> None:
    valid = samples.tenant()
    bad = dataclasses.replace(valid, key_event=valid.tenancy.events[0])
    failure(lambda: result_of(store.add_first_tenant(bad)))
    assert counts(engine) == dict.fromkeys(TABLES, 0)
    assert result_of(store.add_first_tenant(valid)) is True


# Keys


def test_a_key_is_found_as_it_was_added(store: Store, tenant: Tenant) -> None:
    digest = keys.generate("live").digest
    key = samples.key_of(
        tenant.tenancy.environment,
        name='L\'\N{LATIN SMALL LETTER E WITH ACUTE}quipe "\N{GRINNING FACE}"; --',
        scopes="events:read deliveries:*",
        created_by=tenant.user.id,
    )
    result_of(store.add_key(key, digest, samples.event_of(key)))
    assert result_of(store.find_key(digest)) == key


def test_a_key_may_have_no_creator(store: Store, tenant: Tenant) -> None:
    digest = keys.generate("live").digest
    key = samples.key_of(tenant.tenancy.environment, created_by=None)
    result_of(store.add_key(key, digest, samples.event_of(key)))
    assert result_of(store.find_key(digest)) == key


@pytest.mark.usefixtures("tenant")
def test_an_unknown_digest_finds_nothing(store: Store) -> None:
    assert result_of(store.find_key(keys.generate("live").digest)) is None
    assert result_of(store.find_key(b"")) is None


def test_a_revoked_key_is_found_and_says_so(engine: Engine, store: Store, tenant: Tenant) -> None:
    engine.run("update api_key set revoked_at = ? where id = ?", samples.NOON, tenant.key.id)
    found = result_of(store.find_key(tenant.key_digest))
    assert found is not None
    assert found.revoked_at == samples.NOON


def test_rows_of_another_process_are_visible_at_once(engine: Engine, store: Store) -> None:
    assert result_of(store.find_key(bytes(32))) is None
    other = open_store(engine.url)
    stored = samples.tenant()
    result_of(other.add_first_tenant(stored))
    assert result_of(store.find_key(stored.key_digest)) == stored.key
    other.close()


def test_a_key_is_added_with_its_audit_event(engine: Engine, store: Store, tenant: Tenant) -> None:
    key = samples.key_of(tenant.tenancy.environment)
    event = samples.event_of(key, user_id="usr_1", api_key_id="ak_1", details={"a": ["\u00e9", 1]})
    result_of(store.add_key(key, keys.generate("live").digest, event))
    rows = engine.run(
        """select org_id, user_id, api_key_id, action, resource_type, resource_id, details,
                  ip_address, request_id, created_at from audit_log where id = ?""",
        event.id,
    )
    assert len(rows) == 1
    row = list(rows[0])
    assert json.loads(row.pop(6)) == event.details
    assert row == [
        event.org_id,
        "usr_1",
        "ak_1",
        "api_key.created",
        "api_key",
        key.id,
        "203.0.113.7",
        event.request_id,
        samples.NOON,
    ]


def test_audit_events_are_numbered_in_the_order_of_their_changes(
    engine: Engine, store: Store, tenant: Tenant
) -> None:
    added = []
    for _ in range(5):
        key = samples.key_of(tenant.tenancy.environment)
        result_of(store.add_key(key, keys.generate("live").digest, samples.event_of(key)))
        added.append(key.id)
    rows = engine.run("select resource_id from audit_log order by seq")
    assert [row[0] for row in rows][-5:] == added


def test_without_its_audit_event_a_key_is_not_added(
    engine: Engine, store: Store, tenant: Tenant
) -> None:
    before = counts(engine)
    digest = keys.generate("live").digest
    key = samples.key_of(tenant.tenancy.environment)
    event = samples.event_of(key, id=samples.events(tenant)[0].id)
    failure(lambda: result_of(store.add_key(key, digest, event)))
    assert result_of(store.find_key(digest)) is None
    assert counts(engine) == before
    result_of(store.add_key(key, digest, samples.event_of(key)))
    assert result_of(store.find_key(digest)) == key


def test_a_second_key_of_one_digest_is_not_added(
    engine: Engine, store: Store, tenant: Tenant
) -> None:
    before = counts(engine)
    key = samples.key_of(tenant.tenancy.environment)
    failure(lambda: result_of(store.add_key(key, tenant.key_digest, samples.event_of(key))))
    assert result_of(store.find_key(tenant.key_digest)) == tenant.key
    assert counts(engine) == before


@pytest.mark.parametrize("again", ["key", "digest", "event"])
def test_what_is_there_already_is_not_taken_for_something_gone(
    store: Store, tenant: Tenant, again: str
) -> None:
    key = tenant.key if again == "key" else samples.key_of(tenant.tenancy.environment)
    digest = tenant.key_digest if again == "digest" else keys.generate("live").digest
    event = samples.events(tenant)[0] if again == "event" else samples.event_of(key)
    # A client would be told that its environment does not exist.
    assert not isinstance(
        failure(lambda: result_of(store.add_key(key, digest, event))), ForeignKeyViolation
    )


def test_a_key_cannot_be_added_to_a_deleted_environment(
    engine: Engine, store: Store, tenant: Tenant
) -> None:
    engine.run("delete from environment where id = ?", tenant.tenancy.environment.id)
    before = counts(engine)
    digest = keys.generate("live").digest
    key = samples.key_of(tenant.tenancy.environment)
    with pytest.raises(ForeignKeyViolation):
        result_of(store.add_key(key, digest, samples.event_of(key)))
    assert counts(engine) == before
    assert result_of(store.find_key(digest)) is None


def test_a_key_cannot_be_added_to_a_deleted_organization(
    engine: Engine, store: Store, tenant: Tenant
) -> None:
    key = samples.key_of(tenant.tenancy.environment, org_id=ids.new("org"))
    before = counts(engine)
    with pytest.raises(ForeignKeyViolation):
        result_of(store.add_key(key, keys.generate("live").digest, samples.event_of(key)))
    assert counts(engine) == before


def test_keys_go_with_their_environment_and_the_audit_log_stays(
    engine: Engine, store: Store, tenant: Tenant
) -> None:
    engine.run('delete from "organization" where id = ?', tenant.tenancy.organization.id)
    assert result_of(store.find_key(tenant.key_digest)) is None
    assert result_of(store.find_environment(tenant.tenancy.environment.id)) is None
    assert counts(engine)["audit_log"] == len(samples.events(tenant))


def test_keys_are_added_from_many_threads(store: Store, tenant: Tenant) -> None:
    digests = [[keys.generate("live").digest for _ in range(10)] for _ in range(4)]

    def add(mine: list[bytes]) -> None:
        for digest in mine:
            key = samples.key_of(tenant.tenancy.environment)
            result_of(store.add_key(key, digest, samples.event_of(key)))
            assert result_of(store.find_key(digest)) == key

    at_once(*(lambda mine=mine: add(mine) for mine in digests))
    assert all(result_of(store.find_key(digest)) for mine in digests for digest in mine)


# Sessions


def text_at(moment: datetime) -> str:
    return timestamps.to_text(moment)


def test_a_session_is_found_by_its_token(engine: Engine, store: Store, tenant: Tenant) -> None:
    expires_at = text_at(NOON + timedelta(days=7))
    engine.add_session("token", tenant.user.id, expires_at)
    session = result_of(store.find_session("token", samples.NOON))
    assert session is not None
    assert (session.id, session.user_id) == ("id-of-token", tenant.user.id)
    assert session.expires_at == expires_at


@pytest.mark.parametrize(
    ("left", "lives"),
    [
        (timedelta(days=7), True),
        (MILLISECOND, True),
        (timedelta(0), False),
        (-MILLISECOND, False),
        (timedelta(days=-7), False),
    ],
)
def test_a_session_ends_at_its_expiry(
    *, engine: Engine, store: Store, tenant: Tenant, left: timedelta, lives: bool
) -> None:
    engine.add_session("token", tenant.user.id, text_at(NOON + left))
    assert (result_of(store.find_session("token", samples.NOON)) is not None) is lives


@pytest.mark.parametrize("token", ["", "toke", "token2", "TOKEN", "id-of-token", "%", "token' --"])
def test_another_token_finds_no_session(
    engine: Engine, store: Store, tenant: Tenant, token: str
) -> None:
    engine.add_session("token", tenant.user.id, text_at(NOON + timedelta(days=7)))
    assert result_of(store.find_session(token, samples.NOON)) is None


def test_a_session_goes_with_its_user(engine: Engine, store: Store, tenant: Tenant) -> None:
    engine.add_session("token", tenant.user.id, text_at(NOON + timedelta(days=7)))
    engine.run('delete from "user" where id = ?', tenant.user.id)
    assert result_of(store.find_session("token", samples.NOON)) is None


# Threads and the end


def test_many_threads_get_the_same_answers(store: Store, tenant: Tenant) -> None:
    found: list[object] = []

    def find() -> None:
        found.extend(result_of(store.find_key(tenant.key_digest)) for _ in range(20))

    at_once(*[find] * 4)
    assert found == [tenant.key] * 80


def test_stored_rows_survive_closing(engine: Engine) -> None:
    stored = samples.tenant()
    first = open_store(engine.url)
    first.migrate()
    result_of(first.add_first_tenant(stored))
    first.close()
    second = open_store(engine.url)
    assert result_of(second.find_key(stored.key_digest)) == stored.key
    second.close()


def test_closing_twice_is_closing(store: Store) -> None:
    store.close()
    store.close()


@pytest.mark.parametrize(
    "kind",
    [
        DatabaseTooNew,
        LastOwner,
        ForeignKeyViolation,
        StoreUnavailable,
        UniqueViolation,
        UnsupportedDatabase,
    ],
)
def test_every_fault_of_a_store_is_a_store_error(kind: type[Exception]) -> None:
    assert issubclass(kind, StoreError)


@pytest.mark.usefixtures("sqlite")
def test_postgresql_without_its_driver_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    for name in [name for name in sys.modules if name.startswith("hookstream_keys.store.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(UnsupportedDatabase, match=r"install hookstream-keys\[postgresql\]"):
        open_store("postgresql://owner@localhost/keys")
