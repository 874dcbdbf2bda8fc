"""The key cache on SQLite: what is used again, and what makes it read once more."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.results import result_of, together
from unit import samples
from unit.conftest import Sqlite

from hookstream_keys.domain import keys
from hookstream_keys.store import SqliteStore, Tenant
from hookstream_keys.store.sqlite import key_cache

CHANGE = "update api_key set name = 'changed'"


@pytest.fixture
def store(opened: SqliteStore) -> SqliteStore:
    return opened


@contextmanager
def statements(store: SqliteStore) -> Iterator[list[str]]:
    """What is executed on this thread's connection in the block."""
    executed: list[str] = []
    connection = store.connection()
    connection.set_trace_callback(executed.append)
    try:
        yield executed
    finally:
        connection.set_trace_callback(None)


def name_of(store: SqliteStore, tenant: Tenant) -> str:
    found = result_of(store.find_key(tenant.key_digest))
    assert found is not None
    return found.name


def test_a_key_is_read_once_and_the_database_is_asked_each_time(
    store: SqliteStore, tenant: Tenant
) -> None:
    with statements(store) as executed:
        first = result_of(store.find_key(tenant.key_digest))
        assert len(executed) > 1
        del executed[:]
        assert result_of(store.find_key(tenant.key_digest)) == first
    assert executed == ["pragma data_version"]


def test_a_commit_by_another_process_is_seen_at_once(
    store: SqliteStore, tenant: Tenant, sqlite: Sqlite
) -> None:
    assert name_of(store, tenant) != "changed"
    sqlite.run(CHANGE)
    assert name_of(store, tenant) == "changed"


def test_a_commit_on_the_same_connection_is_seen_at_once(
    store: SqliteStore, tenant: Tenant
) -> None:
    before = name_of(store, tenant)
    with together(store):
        store.connection().execute(CHANGE)
        # Not only after the commit.
        assert name_of(store, tenant) == "changed" != before
    assert name_of(store, tenant) == "changed"


def test_what_is_rolled_back_is_not_remembered(store: SqliteStore, tenant: Tenant) -> None:
    before = name_of(store, tenant)

    def change_and_fail() -> None:
        with together(store):
            store.connection().execute(CHANGE)
            assert name_of(store, tenant) == "changed"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change_and_fail()
    assert name_of(store, tenant) == before


def test_a_key_that_does_not_exist_is_looked_for_each_time(
    store: SqliteStore, tenant: Tenant, sqlite: Sqlite
) -> None:
    other = keys.generate("live").digest
    assert result_of(store.find_key(other)) is None
    sqlite.run("update api_key set digest = ?", other)
    assert result_of(store.find_key(other)) is not None
    assert result_of(store.find_key(tenant.key_digest)) is None


def test_the_number_of_keys_is_limited(
    store: SqliteStore, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_cache, "MAX_KEYS", 2)
    digests = [keys.generate("live").digest for _ in range(5)]
    for digest in digests:
        key = samples.key_of(tenant.tenancy.environment)
        result_of(store.add_key(key, digest, samples.event_of(key)))
    for digest in digests * 2:
        assert result_of(store.find_key(digest)) is not None
    assert len(store._validated()) <= 2
