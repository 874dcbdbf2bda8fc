"""Which databases are used, and how their commits wait."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from support.engines import engines
from support.postgresql import Cluster
from support.results import result_of
from unit.conftest import Postgresql

from hookstream_keys.store import StoreUnavailable, open_store

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


async def _setting_of(limits: "RateLimits") -> str:
    async with limits._pool.borrowed() as driver:
        setting: str = await driver.fetchval(_SETTING)
        return setting


def test_a_limit_does_not_wait(postgresql: Postgresql) -> None:
    from hookstream_keys.store.postgresql.rate_limits import RateLimits

    limits = RateLimits(postgresql.url)
    assert result_of(_setting_of(limits)) == "off"
    limits.close()


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
