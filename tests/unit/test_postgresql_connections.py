"""Which databases are used, and how their commits wait."""

from types import SimpleNamespace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from support import until
from support.engines import engines
from support.postgresql import Cluster
from support.results import result_of
from unit import samples
from unit.conftest import Postgresql

from hookstream_keys.store import Store, StoreUnavailable, open_store

if TYPE_CHECKING:
    from hookstream_keys.store.postgresql.rate_limits import RateLimits

pytestmark = pytest.mark.skipif(
    "postgresql" not in engines(), reason="STORE_ENGINES has no postgresql"
)
_SETTING = "show synchronous_commit"


@pytest.mark.parametrize("setting", ["off", "local", "remote_write", "on", "remote_apply"])
def test_a_commit_waits_for_the_disk_and_the_standbys(postgresql: Postgresql, setting: str) -> None:
    from hookstream_keys.store.postgresql import PostgresqlStore
    from hookstream_keys.store.postgresql.session import session

    name = urlsplit(postgresql.url).path.lstrip("/")
    postgresql.run(f"alter database {name} set synchronous_commit = {setting}")
    found = "remote_apply" if setting == "remote_apply" else "on"
    store = PostgresqlStore(postgresql.url)
    assert store.run(store.all(_SETTING)) == [(found,)]
    store.close()
    with session(postgresql.url) as database:
        assert database.value(_SETTING) == found


_OF_ROLE = {
    "default_transaction_isolation": ("serializable", "read committed"),
    "client_min_messages": ("error", "warning"),
}
_TIMEOUTS = (
    "statement_timeout", "lock_timeout", "idle_session_timeout",
    "idle_in_transaction_session_timeout",
)  # fmt: skip


def test_what_a_role_has_set_changes_no_promise(postgresql: Postgresql) -> None:
    from hookstream_keys.store.postgresql import PostgresqlStore
    from hookstream_keys.store.postgresql.session import session

    name = urlsplit(postgresql.url).path.lstrip("/")
    for setting, (value, _) in _OF_ROLE.items():
        postgresql.run(f"alter database {name} set {setting} = '{value}'")
    for setting in _TIMEOUTS:
        postgresql.run(f"alter database {name} set {setting} = '10s'")
    store = PostgresqlStore(postgresql.url)
    for setting, (_, found) in _OF_ROLE.items():
        assert store.run(store.all(f"show {setting}")) == [(found,)]
        with session(postgresql.url) as database:
            assert database.value(f"show {setting}") == found
    # A command may take as long as it takes.
    with session(postgresql.url) as database:
        for setting in _TIMEOUTS:
            assert database.value(f"show {setting}") == "0"
    store.close()


def test_a_connection_follows_the_servers_commits(postgresql: Postgresql, cluster: Cluster) -> None:
    """Read replicas need remote_apply, on every connection as soon as the server has it."""
    from hookstream_keys.store.postgresql import PostgresqlStore

    store = PostgresqlStore(postgresql.url)
    assert store.run(store.all(_SETTING)) == [("on",)]
    try:
        cluster.execute(cluster.url(), "alter system set synchronous_commit = remote_apply")
        cluster.execute(cluster.url(), "select pg_reload_conf()")
        until(lambda: store.run(store.all(_SETTING)) == [("remote_apply",)], 10)
    finally:
        cluster.execute(cluster.url(), "alter system reset synchronous_commit")
        cluster.execute(cluster.url(), "select pg_reload_conf()")
    store.close()


def test_what_each_host_says_is_told(postgresql: Postgresql) -> None:
    name = urlsplit(postgresql.url).path.lstrip("/")
    folder = postgresql.url.partition("host=")[2]
    store = open_store(f"postgresql://unknown_role@/{name}?host={folder},127.0.0.1&port=5432,1")
    with pytest.raises(StoreUnavailable) as refused:
        store.migrate()
    assert f"the database at {folder} port 5432 says: role" in str(refused.value)
    assert "the database at 127.0.0.1 port 1 does not answer: " in str(refused.value)
    store.close()


def test_a_clock_that_was_set_back_delays_no_change_for_long(
    postgresql: Postgresql, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hookstream_keys.store.postgresql import fencing

    store = open_store(postgresql.url)
    store.migrate()
    assert result_of(store.add_first_tenant(samples.tenant()))
    # As where the primary was promoted before the clock was set.
    postgresql.run("update timeline set since = clock_timestamp() + interval '1 hour'")
    postgresql.run("insert into timeline (id) values (0)")
    store.close()
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(fencing, "asyncio", SimpleNamespace(sleep=sleep))
    again = open_store(postgresql.url)
    result_of(again.try_to_write())
    again.close()
    assert waits == [pytest.approx(fencing.FENCE_SECONDS, abs=1)]


def test_the_reason_of_a_heartbeat_that_is_not_confirmed_is_told_once(
    postgresql: Postgresql, caplog: pytest.LogCaptureFixture
) -> None:
    store = open_store(postgresql.url)
    store.migrate()
    store.require_heartbeats()
    result_of(store.beat())
    caplog.set_level("INFO")
    postgresql.run("alter table node rename to elsewhere")
    for _ in range(2):
        result_of(store.beat())
    postgresql.run("alter table elsewhere rename to node")
    result_of(store.beat())
    [(_, _, lost), (_, _, back)] = caplog.record_tuples
    assert lost.startswith("the database does not confirm heartbeats: the database says: relation")
    assert back == "the database confirms heartbeats again"
    store.close()


def test_nodes_with_other_secrets_do_not_run_beside_one_another(postgresql: Postgresql) -> None:
    def opened() -> Store:
        store = open_store(postgresql.url)
        store.migrate()
        return store

    first, second, third = opened(), opened(), opened()
    result_of(first.join(["old"]))
    result_of(second.join(["old", "new"]))
    # The first one would not know what it signs with the new one; nor the other way round.
    for secrets in (["new", "old"], ["new"]):
        with pytest.raises(StoreUnavailable, match="has another BETTER_AUTH_SECRET"):
            result_of(third.join(secrets))
    assert len(postgresql.run("select id from node")) == 2
    result_of(first.leave())
    result_of(third.join(["new", "old"]))
    # One that was killed counts for a few seconds.
    with pytest.raises(StoreUnavailable, match="or did a few seconds ago"):
        result_of(first.join(["other"]))
    postgresql.run("update node set seen_at = seen_at - interval '11 seconds'")
    result_of(first.join(["other"]))
    for store in (first, second, third):
        store.close()


def test_a_commit_of_no_worth_leaves_the_connection_as_it_was(postgresql: Postgresql) -> None:
    from hookstream_keys.store.postgresql import PostgresqlStore

    store = PostgresqlStore(postgresql.url)
    store.migrate()
    result_of(store.join(["secret"]))
    assert result_of(store.all(_SETTING)) == [("on",)]
    store.close()


async def _setting_of(limits: "RateLimits") -> str:
    async with limits._pool.borrowed() as driver:
        setting: str = await driver.fetchval(_SETTING)
        return setting


def test_a_limit_does_not_wait(postgresql: Postgresql) -> None:
    from hookstream_keys.store.postgresql import PostgresqlStore
    from hookstream_keys.store.postgresql.rate_limits import RateLimits

    store = PostgresqlStore(postgresql.url)
    limits = RateLimits(store)
    assert result_of(_setting_of(limits)) == "off"
    limits.close()
    store.close()


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_has_not_every_character_is_refused(
    cluster: Cluster, encoding: str
) -> None:
    name = f"keys_in_{encoding.lower()}"
    cluster.execute(
        cluster.url(),
        f"create database {name} encoding '{encoding}' lc_collate 'C' lc_ctype 'C'"
        " template template0",
    )
    store = open_store(cluster.url(name))
    with pytest.raises(StoreUnavailable, match=f"encoding is {encoding}, which .* with UTF8"):
        store.migrate()
    store.close()
    cluster.execute(cluster.url(), f"drop database {name}")


def test_a_port_that_is_none_is_named_as_that() -> None:
    store = open_store("postgresql://u@127.0.0.1:99999/keys")
    with pytest.raises(StoreUnavailable, match="the database's URL cannot be read"):
        store.migrate()
    store.close()


def test_a_missing_right_to_connect_is_named(cluster: Cluster, postgresql: Postgresql) -> None:
    name = urlsplit(postgresql.url).path.lstrip("/")
    cluster.execute(cluster.url(), "create role guest login")
    cluster.execute(cluster.url(), f"revoke connect on database {name} from public")
    store = open_store(postgresql.url.replace("postgres@", "guest@"))
    with pytest.raises(StoreUnavailable, match="permission denied for database"):
        store.migrate()
    store.close()
    cluster.execute(cluster.url(), "drop role guest")
