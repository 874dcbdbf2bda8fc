import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from support.results import result_of, together
from unit import samples
from unit.conftest import Sqlite

from hookstream_keys.domain import keys
from hookstream_keys.store import (
    DatabaseTooNew,
    SqliteStore,
    Store,
    StoreUnavailable,
    UnsupportedDatabase,
    database_path,
    open_sandbox_store,
    open_store,
)
from hookstream_keys.store.sql import keys as module
from hookstream_keys.store.sqlite import engine

not_as_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")


@pytest.fixture
def store(sqlite: Sqlite) -> Iterator[SqliteStore]:
    opened = SqliteStore(sqlite.path)
    opened.migrate()
    yield opened
    opened.close()


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.05)
    monkeypatch.setattr(engine, "MIGRATING_SECONDS", 0.05)


@contextmanager
def another_writer(path: Path) -> Iterator[sqlite3.Connection]:
    """A process that holds a write transaction open."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("begin immediate")
        yield connection


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


# Addresses


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///keys.db", "keys.db"),
        ("sqlite:///var/keys.db", "var/keys.db"),
        ("sqlite:////srv/keys.db", "/srv/keys.db"),
    ],
)
def test_an_address_names_a_file(url: str, path: str) -> None:
    assert database_path(url) == Path(path)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "keys.db",
        "/srv/keys.db",
        "sqlite:",
        "sqlite:///",
        "sqlite://keys.db",
        "mysql:///x",
        "sqlite:///keys.db?mode=ro",
        "sqlite:///keys.db#a",
        "sqlite:///:memory:",
        "sqlite:///file:keys.db",
    ],
)
def test_another_address_is_refused(url: str) -> None:
    with pytest.raises(UnsupportedDatabase, match="sqlite:///"):
        open_store(url)


@pytest.mark.parametrize("opened", [open_store, open_sandbox_store])
def test_an_old_sqlite_is_refused_before_a_file_is_made(
    tmp_path: Path, opened: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 36, 0))
    with pytest.raises(UnsupportedDatabase, match=r"3\.37 or later is needed"):
        opened(f"sqlite:///{tmp_path}/keys.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["a b.db", "a?mode=ro", "a#b", "a%41.db", "\N{SNOWMAN}.db", "'.db"]
)
def test_a_file_may_have_any_name(tmp_path: Path, name: str) -> None:
    store = SqliteStore(tmp_path / name)
    store.migrate()
    result_of(store.check())
    store.close()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_relative_path_stays_where_it_was_when_the_store_was_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    store = open_store("sqlite:///keys.db")
    store.migrate()
    monkeypatch.chdir(tmp_path / "elsewhere")
    result_of(store.check())
    store.close()
    assert not list(Path().iterdir())


# The file


def beside_with(path: Path, do: Callable[[Path], object], *ends: str) -> None:
    for end in ends:
        do(beside(path, end))


def test_a_removed_file_is_detected(store: SqliteStore, sqlite: Sqlite) -> None:
    result_of(store.add_first_tenant(samples.tenant()))
    beside_with(sqlite.path, Path.unlink, "", "-wal", "-shm")
    with pytest.raises(StoreUnavailable, match="gone"):
        result_of(store.add_first_tenant(samples.tenant()))
    with pytest.raises(StoreUnavailable, match="gone"):
        result_of(store.check())


def test_a_write_to_a_file_that_is_removed_meanwhile_fails(
    store: SqliteStore, sqlite: Sqlite
) -> None:

    def write() -> None:
        with together(store):
            result_of(store.add_first_tenant(samples.tenant()))
            beside_with(sqlite.path, Path.unlink, "", "-wal", "-shm")

    with pytest.raises(StoreUnavailable, match="gone"):
        write()
    other = SqliteStore(sqlite.path)
    other.migrate()
    assert result_of(other.add_first_tenant(samples.tenant()))
    other.close()
    # This one has found it, too.
    assert not result_of(store.add_first_tenant(samples.tenant()))


def test_a_write_to_a_file_that_is_replaced_meanwhile_fails(
    store: SqliteStore, sqlite: Sqlite, tmp_path: Path
) -> None:
    fresh = tmp_path / "fresh.db"
    other = SqliteStore(fresh)
    other.migrate()
    other.close()

    def write() -> None:
        with together(store):
            result_of(store.add_first_tenant(samples.tenant()))
            beside_with(sqlite.path, Path.unlink, "-wal", "-shm")
            fresh.rename(sqlite.path)

    with pytest.raises(StoreUnavailable, match="replaced"):
        write()
    assert result_of(store.add_first_tenant(samples.tenant()))


def test_files_of_the_old_database_are_not_mixed_with_the_new_one(
    store: SqliteStore, sqlite: Sqlite, tmp_path: Path
) -> None:
    result_of(store.add_first_tenant(samples.tenant()))
    fresh = tmp_path / "fresh.db"
    other = SqliteStore(fresh)
    other.migrate()
    other.close()
    fresh.rename(sqlite.path)
    for ask in (store.check, store.try_to_write):
        with pytest.raises(StoreUnavailable, match="-wal and"):
            result_of(ask())
    beside_with(sqlite.path, Path.unlink, "-wal", "-shm")
    result_of(store.check())
    assert result_of(store.add_first_tenant(samples.tenant()))


@pytest.mark.parametrize("end", ["-wal", "-shm"])
def test_a_deleted_wal_or_shm_stops_writes_and_loses_nothing(sqlite: Sqlite, end: str) -> None:
    store = SqliteStore(sqlite.path)
    store.migrate()
    tenant = samples.tenant()
    result_of(store.add_first_tenant(tenant))
    beside(sqlite.path, end).unlink()
    with pytest.raises(StoreUnavailable, match="while in use"):
        result_of(store.try_to_write())
    assert result_of(store.find_key(tenant.key_digest))
    store.close()
    again = SqliteStore(sqlite.path)
    assert result_of(again.find_key(tenant.key_digest))
    again.close()


def test_a_read_only_connection_is_not_cached(store: SqliteStore) -> None:
    first = store.connection()
    first.execute("pragma query_only = on")
    with pytest.raises(StoreUnavailable, match="readonly"):
        result_of(store.try_to_write())
    result_of(store.try_to_write())
    assert store.connection() is not first


@pytest.mark.usefixtures("_impatient")
def test_the_write_probe_changes_nothing_and_shows_that_writes_work(
    store: SqliteStore, sqlite: Sqlite
) -> None:
    before = sqlite.run("select count(*) from receipt")
    assert not store.wrote_within(3600)
    with another_writer(sqlite.path), pytest.raises(StoreUnavailable):
        result_of(store.try_to_write())
    assert not store.wrote_within(3600)
    result_of(store.try_to_write())
    assert store.wrote_within(3600)
    assert not store.wrote_within(0)
    assert sqlite.run("select count(*) from receipt") == before


def test_the_write_ahead_log_is_truncated(store: SqliteStore, sqlite: Sqlite) -> None:
    limit = store.connection().execute("pragma journal_size_limit").fetchone()
    assert limit == (engine.MAX_WAL_BYTES,)


def test_only_the_owner_may_read_what_is_stored(sqlite: Sqlite) -> None:
    before = os.umask(0)
    try:
        store = SqliteStore(sqlite.path)
        store.migrate()
        assert mode(sqlite.path) == 0o600
        result_of(store.add_first_tenant(samples.tenant()))
        assert mode(beside(sqlite.path, "-wal")) == 0o600
        assert mode(beside(sqlite.path, "-shm")) == 0o600
        store.close()
    finally:
        os.umask(before)


def test_opening_and_checking_make_no_file(sqlite: Sqlite) -> None:
    store = open_store(sqlite.url)
    with pytest.raises(StoreUnavailable):
        result_of(store.check())
    assert not sqlite.path.exists()


def test_checking_does_not_change_what_is_not_migrated(sqlite: Sqlite) -> None:
    sqlite.run("create table notes (text)")
    before = sqlite.path.read_bytes()
    store = open_store(sqlite.url)
    with pytest.raises(StoreUnavailable, match="not migrated"):
        result_of(store.check())
    store.close()
    assert sqlite.path.read_bytes() == before


def test_the_right_to_read_a_file_that_was_there_is_left_as_it_was(sqlite: Sqlite) -> None:
    sqlite.run("create table notes (text)")
    sqlite.path.chmod(0o640)
    store = open_store(sqlite.url)
    store.migrate()
    store.close()
    assert mode(sqlite.path) == 0o640


# Connections


def test_a_connection_is_durable_and_holds_references(store: SqliteStore) -> None:
    connection = store.connection()
    assert connection.execute("pragma journal_mode").fetchone() == ("wal",)
    assert connection.execute("pragma synchronous").fetchone() == (2,)
    assert connection.execute("pragma foreign_keys").fetchone() == (1,)


def test_a_thread_keeps_a_connection_of_its_own(store: SqliteStore) -> None:
    mine = store.connection()
    theirs: list[sqlite3.Connection] = []
    thread = threading.Thread(
        target=lambda: theirs.extend([store.connection(), store.connection()])
    )
    thread.start()
    thread.join()
    assert store.connection() is mine
    assert theirs[0] is theirs[1]
    assert theirs[0] is not mine


def test_closing_closes_the_connections_of_all_threads(sqlite: Sqlite, store: SqliteStore) -> None:
    connections = [store.connection()]
    thread = threading.Thread(target=lambda: connections.append(store.connection()))
    thread.start()
    thread.join()
    result_of(store.add_first_tenant(samples.tenant()))
    assert beside(sqlite.path, "-wal").exists()
    store.close()
    for connection in connections:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("select 1")
    # SQLite puts everything into the one file when the last connection goes.
    assert not beside(sqlite.path, "-wal").exists()


# Tables


@pytest.mark.parametrize("table", ["environment", "api_key", "audit_log"])
def test_this_service_s_tables_are_strict(sqlite: Sqlite, store: SqliteStore, table: str) -> None:
    result_of(store.check())
    strict = "select strict from pragma_table_list where schema = 'main' and name = ?"
    assert sqlite.run(strict, table) == [(1,)]


@pytest.mark.parametrize(
    "change",
    [
        "update api_key set digest = x'00'",
        "update api_key set prefix = 'hs_'",
        "update environment set mode = 'prod'",
        "update audit_log set details = '{'",
        "update api_key set digest = 'a text of exactly 32 characters.'",
    ],
)
def test_the_database_itself_refuses_what_makes_no_sense(
    sqlite: Sqlite, store: SqliteStore, change: str
) -> None:
    result_of(store.add_first_tenant(samples.tenant()))
    with pytest.raises(sqlite3.IntegrityError):
        sqlite.run(change)


def test_finding_a_key_is_one_step_in_an_index(sqlite: Sqlite, store: SqliteStore) -> None:
    result_of(store.check())
    steps = [row[3] for row in sqlite.run("explain query plan " + module._FIND_KEY, bytes(32))]
    assert "SEARCH api_key USING INDEX" in steps[0]
    # The others look whether a deletion is pending: at no row, if there is none.
    assert not [step for step in steps[1:] if "api_key" in step]
    assert {step for step in steps if step.startswith("SCAN")} == {"SCAN pending_deletion"}


# Migrations

BETTER_AUTH = """
    create table "user" ("id" text not null primary key, "name" text not null,
        "email" text not null unique, "emailVerified" integer not null, "image" text,
        "createdAt" date not null, "updatedAt" date not null, "plan" text)
"""


def test_tables_of_better_auth_are_left_as_they_are(sqlite: Sqlite) -> None:
    sqlite.run(BETTER_AUTH)
    sqlite.run("insert into user values ('u', 'n', 'e', 1, null, 0, 0, 'pro')")
    before = sqlite.run("select sql from sqlite_master where name = 'user'")
    store = open_store(sqlite.url)
    store.migrate()
    result_of(store.check())
    assert result_of(store.add_first_tenant(samples.tenant())) is False
    store.close()
    assert sqlite.run("select sql from sqlite_master where name = 'user'") == before
    assert sqlite.run("select id, plan from user") == [("u", "pro")]


def test_a_migration_that_fails_leaves_nothing_of_any(sqlite: Sqlite) -> None:
    sqlite.run("create table environment (of_another_application text)")
    store = open_store(sqlite.url)
    with pytest.raises(StoreUnavailable, match="environment"):
        store.migrate()
    assert sqlite.run("select name from sqlite_master") == [("environment",)]
    with pytest.raises(StoreUnavailable, match="not migrated"):
        result_of(store.check())
    store.close()


def of_the_future(sqlite: Sqlite, set_name: str) -> None:
    sqlite.run(
        "insert into _sqlite_migrations (migration_set, name, applied_at) values (?, ?, ?)",
        set_name,
        "m9999_from_the_future",
        samples.NOON,
    )


def test_a_database_of_a_newer_version_is_refused(sqlite: Sqlite, store: SqliteStore) -> None:
    result_of(store.check())
    of_the_future(sqlite, "hookstream-keys")
    before = sqlite.run("select * from sqlite_master")
    with pytest.raises(DatabaseTooNew, match="m9999_from_the_future"):
        result_of(store.check())
    with pytest.raises(DatabaseTooNew, match="m9999_from_the_future"):
        store.migrate()
    assert sqlite.run("select * from sqlite_master") == before


def test_migrations_of_another_application_are_ignored(sqlite: Sqlite, store: SqliteStore) -> None:
    of_the_future(sqlite, "another-program")
    result_of(store.check())
    assert store.migrate() == []


def test_a_database_that_is_half_migrated_is_not_ready(sqlite: Sqlite, store: SqliteStore) -> None:
    result_of(store.check())
    sqlite.run("delete from _sqlite_migrations where name like 'm0002%'")
    with pytest.raises(StoreUnavailable, match="not migrated"):
        result_of(store.check())


# Sessions as better-auth's adapters for SQLite store them

NOON_IN_MILLISECONDS = 1_795_521_600_000


@pytest.mark.parametrize(
    "expires_at",
    [
        "2026-11-24T12:00:00.000Z",
        "2026-11-24T12:00:00Z",
        "2026-11-24T12:00:00.000+00:00",
        "2026-11-24T14:00:00.000+02:00",
        "2026-11-24T12:00:00.000",
        "2026-11-24 12:00:00",
        NOON_IN_MILLISECONDS,
        str(NOON_IN_MILLISECONDS),
        float(NOON_IN_MILLISECONDS),
    ],
)
def test_an_expiry_is_understood_however_it_is_written(
    sqlite: Sqlite, store: SqliteStore, expires_at: str | int
) -> None:
    tenant = samples.tenant()
    result_of(store.add_first_tenant(tenant))
    sqlite.add_session("token", tenant.user.id, expires_at)
    assert result_of(store.find_session("token", "2026-11-24T12:00:00.000Z")) is None
    assert result_of(store.find_session("token", "2026-11-24T12:00:00.001Z")) is None
    session = result_of(store.find_session("token", "2026-11-24T11:59:59.999Z"))
    assert session is not None
    assert session.user_id == tenant.user.id


def test_a_session_s_expiry_is_text_however_it_is_stored(
    sqlite: Sqlite, store: SqliteStore
) -> None:
    tenant = samples.tenant()
    result_of(store.add_first_tenant(tenant))
    sqlite.add_session("token", tenant.user.id, NOON_IN_MILLISECONDS)
    session = result_of(store.find_session("token", "2026-11-24T11:00:00.000Z"))
    assert session is not None
    assert session.expires_at == "2026-11-24T12:00:00.000Z"


# What is not available


def test_a_file_that_is_no_database_is_unavailable_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "keys.db"
    path.write_bytes(b"This is no database. " * 500)
    before = path.read_bytes()
    store = SqliteStore(path)
    for action in (
        store.migrate,
        lambda: result_of(store.check()),
        lambda: result_of(store.find_key(bytes(32))),
    ):
        with pytest.raises(StoreUnavailable):
            action()
    store.close()
    assert path.read_bytes() == before


def test_a_directory_is_unavailable(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    for action in (store.migrate, lambda: result_of(store.check())):
        with pytest.raises(StoreUnavailable):
            action()
    assert not list(tmp_path.iterdir())


def test_a_missing_directory_is_unavailable(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "missing" / "keys.db")
    for action in (store.migrate, lambda: result_of(store.check())):
        with pytest.raises(StoreUnavailable):
            action()


@not_as_root
def test_a_directory_that_is_not_writable_is_unavailable(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    store = SqliteStore(tmp_path / "keys.db")
    with pytest.raises(StoreUnavailable):
        store.migrate()
    tmp_path.chmod(0o700)


@not_as_root
def test_a_file_of_another_user_is_unavailable(sqlite: Sqlite, store: SqliteStore) -> None:
    store.close()
    sqlite.path.chmod(0)
    with pytest.raises(StoreUnavailable):
        result_of(store.check())


@pytest.mark.usefixtures("_impatient")
def test_while_another_process_writes_reads_succeed_and_writes_fail(sqlite: Sqlite) -> None:
    store = SqliteStore(sqlite.path)
    store.migrate()
    tenant = samples.tenant()
    result_of(store.add_first_tenant(tenant))
    key, digest = samples.key_of(tenant.tenancy.environment), keys.generate("live").digest
    with another_writer(sqlite.path):
        with pytest.raises(StoreUnavailable, match="locked"):
            result_of(store.add_key(key, digest, samples.event_of(key)))
        with pytest.raises(StoreUnavailable, match="locked"):
            result_of(store.add_first_tenant(samples.tenant()))
        assert result_of(store.find_key(tenant.key_digest)) == tenant.key
        assert result_of(store.find_key(digest)) is None
        result_of(store.check())
    result_of(store.add_key(key, digest, samples.event_of(key)))
    assert result_of(store.find_key(digest)) == key
    store.close()


@pytest.mark.usefixtures("_impatient")
def test_a_database_that_is_locked_is_not_migrated(sqlite: Sqlite) -> None:
    sqlite.run("create table notes (text)")
    with another_writer(sqlite.path):
        store = SqliteStore(sqlite.path)
        with pytest.raises(StoreUnavailable, match="locked"):
            store.migrate()
    assert sqlite.run("select name from sqlite_master") == [("notes",)]
    assert store.migrate()


def test_migrating_waits_for_a_writer(sqlite: Sqlite) -> None:
    # This is not WAL yet, and the change to it does not wait of its own accord.
    sqlite.run("create table notes (text)")
    store = SqliteStore(sqlite.path)
    migrating = threading.Thread(target=store.migrate)
    with another_writer(sqlite.path) as other:
        migrating.start()
        migrating.join(0.1)
        assert migrating.is_alive()
        other.execute("commit")
        migrating.join(5)
    result_of(store.check())
    store.close()


def test_a_writer_waits_for_another(sqlite: Sqlite, store: SqliteStore) -> None:
    tenant = samples.tenant()
    result_of(store.add_first_tenant(tenant))
    key, digest = samples.key_of(tenant.tenancy.environment), keys.generate("live").digest
    adding = threading.Thread(
        target=lambda: result_of(store.add_key(key, digest, samples.event_of(key)))
    )
    with another_writer(sqlite.path) as other:
        adding.start()
        adding.join(0.1)
        assert adding.is_alive()
        other.execute("commit")
        adding.join(5)
    assert result_of(store.find_key(digest)) == key


@pytest.mark.usefixtures("_impatient")
def test_a_full_disk_is_unavailable_and_what_was_stored_stays(sqlite: Sqlite) -> None:
    store = SqliteStore(sqlite.path)
    store.migrate()
    tenant = samples.tenant()
    result_of(store.add_first_tenant(tenant))
    pages = store.connection().execute("pragma page_count").fetchone()[0]
    store.connection().execute(f"pragma max_page_count = {pages}")
    key = samples.key_of(tenant.tenancy.environment)
    digest = keys.generate("live").digest
    event = samples.event_of(key, details={"much": "x" * 100_000})
    with pytest.raises(StoreUnavailable, match="full"):
        result_of(store.add_key(key, digest, event))
    assert result_of(store.find_key(digest)) is None
    assert result_of(store.find_key(tenant.key_digest)) == tenant.key
    store.close()


ADD_AND_DIE = """
import os, pathlib, signal, sys
from hookstream_keys.store.inline import run_inline
from hookstream_keys.store.sql import keys
from hookstream_keys.store.sqlite import SqliteStore
from unit import samples
store = SqliteStore(pathlib.Path(sys.argv[1]))
tenant = samples.tenant()
run_inline(store.add_first_tenant(tenant))
print(tenant.key_digest.hex(), flush=True)
key = samples.key_of(tenant.tenancy.environment)
keys.insert_event = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
run_inline(store.add_key(key, bytes(range(32)), samples.event_of(key)))
"""


def test_a_process_killed_while_writing_leaves_acknowledged_rows_only(
    sqlite: Sqlite, store: SqliteStore
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", ADD_AND_DIE, str(sqlite.path)],
        cwd=Path(__file__).parents[1],
        # Also in a checkout that is not installed.
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert result_of(store.find_key(bytes.fromhex(ended.stdout))) is not None
    assert result_of(store.find_key(bytes(range(32)))) is None


def test_a_database_of_better_auth_s_without_organizations_gets_what_is_missing(
    sqlite: Sqlite, store: SqliteStore
) -> None:
    sqlite.run('alter table "session" drop column "activeOrganizationId"')
    sqlite.run("delete from _sqlite_migrations where name = 'm0006_active_organization'")
    with pytest.raises(StoreUnavailable):
        result_of(store.find_session("token", samples.NOON))
    assert store.migrate() == ["m0006_active_organization"]
    assert result_of(store.find_session("token", samples.NOON)) is None
