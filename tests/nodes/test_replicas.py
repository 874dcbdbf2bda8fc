"""Read replicas: look-ups are asked of them, and what they answer is never behind."""

import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from nodes.asking import verified
from support import ON_POSTGRESQL, Database, Server, Tenant, serving, until
from support.postgresql import running_cluster, running_standby, stand_for

from hookstream_keys.store import StoreUnavailable, open_store

pytestmark = pytest.mark.skipif(not ON_POSTGRESQL, reason="a file has no replicas")

#: For how long a change is not acknowledged, after a replica was left out.
FENCE_SECONDS = 5.0
#: How many keys are revoked, and read of the replica at once.
REVOCATIONS = 60


class Replicated:
    """A primary, a replica, and a database with a tenant."""

    def __init__(self, primary: Any, replica: Any, database: Database) -> None:
        self.primary, self.replica, self.database = primary, replica, database
        self.name = urlsplit(primary.new_database()).path.lstrip("/")
        self.url = primary.url(self.name)
        self.replica_url = replica.url(self.name)

    def configure(self, **settings: str) -> None:
        """Change settings of the primary."""
        for name, value in settings.items():
            self.primary.execute(self.url, f"alter system set {name} = '{value}'")
        self.primary.execute(self.url, "select pg_reload_conf()")
        for name, value in settings.items():
            until(lambda: self._setting(name) == value, 10)  # noqa: B023 - called at once

    def _setting(self, name: str) -> str:
        return str(self.primary.execute(self.url, f"show {name}")[0][0])

    def looked_up(self, cluster: Any) -> int:
        """How often a server has looked up a key by its digest."""
        scans = (
            "select coalesce(sum(idx_scan), 0)::int from pg_stat_user_indexes"
            " where indexrelname = 'api_key_digest_key'"
        )
        return int(cluster.execute(cluster.url(self.name), scans)[0][0])


@pytest.fixture
def replicated(tmp_path: Path) -> Iterator[Replicated]:
    with running_cluster() as primary, running_standby(primary) as replica:
        found = Replicated(primary, replica, Database(tmp_path / "keys.db"))
        stand_for(found.database.path, found.url)
        found.configure(synchronous_commit="remote_apply")
        found.database.run_init()
        yield found


@pytest.fixture
def tenant(replicated: Replicated) -> Tenant:
    return replicated.database.tenant


@pytest.fixture
def writer(replicated: Replicated, tenant: Tenant) -> Iterator[Server]:
    """A node that asks the primary."""
    with serving(replicated.database, HOOKSTREAM_SINGLE_DATABASE="off") as server:
        yield server


@pytest.fixture
def reader(replicated: Replicated, tenant: Tenant) -> Iterator[Server]:
    """A node that asks the replica."""
    settings = {
        "HOOKSTREAM_SINGLE_DATABASE": "off",
        "HOOKSTREAM_READ_REPLICAS": replicated.replica_url,
    }
    with serving(replicated.database, **settings) as server:
        until(lambda: asks_replica(replicated, server, tenant), 10)
        yield server


def asks_replica(replicated: Replicated, server: Server, tenant: Tenant) -> bool:
    before = replicated.looked_up(replicated.replica)
    assert verified(server, tenant.key, tenant.key) == (200, "VALID")
    # Statistics are a second late.
    until_then = time.monotonic() + 1.5
    while time.monotonic() < until_then:
        if replicated.looked_up(replicated.replica) > before:
            return True
        time.sleep(0.1)
    return False


def created(server: Server, tenant: Tenant) -> Any:
    body = {"org_id": tenant.org_id, "env_id": tenant.env_id, "name": "k"}
    headers = {"X-API-Key": tenant.key}
    return server.request("POST", "/auth/api-keys", json=body, headers=headers)


def revoked(server: Server, tenant: Tenant, key_id: str) -> int:
    headers = {"X-API-Key": tenant.key}
    answer = server.request("DELETE", f"/auth/api-keys/{key_id}", headers=headers)
    return answer.status_code


def test_look_ups_are_asked_of_the_replica_and_know_each_revocation(
    replicated: Replicated, tenant: Tenant, writer: Server, reader: Server
) -> None:
    before = replicated.looked_up(replicated.primary), replicated.looked_up(replicated.replica)
    for _ in range(REVOCATIONS):
        key = created(writer, tenant).json()
        assert verified(reader, tenant.key, key["key"]) == (200, "VALID")
        assert revoked(writer, tenant, key["id"]) == 204
        assert verified(reader, tenant.key, key["key"]) == (200, "REVOKED")
    # Two look-ups of each verification; the writer's are the primary's.
    until(lambda: replicated.looked_up(replicated.replica) >= before[1] + 4 * REVOCATIONS, 10)
    assert replicated.looked_up(replicated.primary) < before[0] + 4 * 2 * REVOCATIONS


def test_without_the_replica_the_primary_is_asked(
    replicated: Replicated, tenant: Tenant, reader: Server
) -> None:
    replicated.replica.stop()
    for _ in range(20):
        assert verified(reader, tenant.key, tenant.key) == (200, "VALID")
    # Nothing is acknowledged without it; nothing was lost when it is left out.
    refused = created(reader, tenant)
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    replicated.configure(synchronous_standby_names="")
    until(lambda: created(reader, tenant).status_code == 201, 20)
    assert "is not asked: " in reader.log.read_text(encoding="utf-8")


def test_a_replica_that_is_left_out_is_not_asked_when_a_change_is_acknowledged(
    replicated: Replicated, tenant: Tenant, writer: Server, reader: Server
) -> None:
    """It lags behind from here on, and is connected as before."""
    key = created(writer, tenant).json()
    assert verified(reader, tenant.key, key["key"]) == (200, "VALID")
    # Once before, so that the writer has seen the replica left out, and named again.
    replicated.configure(synchronous_standby_names="")
    assert created(writer, tenant).status_code == 201
    replicated.configure(synchronous_standby_names="standby")
    until(lambda: asks_replica(replicated, reader, tenant), 20)
    replicated.replica.execute(replicated.replica_url, "select pg_wal_replay_pause()")
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(partial(revoked, writer, tenant, key["id"]))
        time.sleep(0.2)
        assert not answer.done()
        begun = time.monotonic()
        replicated.configure(synchronous_standby_names="")
        assert answer.result() == 204
    assert verified(reader, tenant.key, key["key"]) == (200, "REVOKED")
    assert time.monotonic() - begun >= FENCE_SECONDS
    # Again with all: it is asked as soon as it has what it missed.
    replicated.replica.execute(replicated.replica_url, "select pg_wal_replay_resume()")
    replicated.configure(synchronous_standby_names="standby")
    until(lambda: asks_replica(replicated, reader, tenant), 20)
    assert "is asked again" in reader.log.read_text(encoding="utf-8")


def test_a_replica_that_could_be_behind_is_refused(replicated: Replicated) -> None:
    store = open_store(replicated.url)
    numbers = itertools.count()

    def refusal(url: str = "") -> str:
        with pytest.raises(StoreUnavailable) as found:
            store.run(store.read_from(url or replicated.replica_url))
        next(numbers)
        return str(found.value)

    assert "it is no standby" in refusal(replicated.url)
    replicated.configure(synchronous_standby_names="FIRST 1 (standby, other)")
    assert "have synchronous_standby_names list every" in refusal()
    replicated.configure(synchronous_standby_names="standby", synchronous_commit="on")
    store.close()
    assert "synchronous_commit is on for this user" in refusal()
    replicated.configure(synchronous_commit="remote_apply")
    store.close()
    replicated.primary.execute(replicated.url, "create role modest login")
    for table in ("node", "hookstream_migration"):
        replicated.primary.execute(replicated.url, f'grant all on "{table}" to modest')
    modest = replicated.replica_url.replace("postgres@", "modest@")
    assert "grant pg_read_all_stats" in refusal(modest)
    replicated.primary.execute(replicated.url, "grant pg_read_all_stats to modest")
    store.run(store.read_from(modest))
    store.close()
    assert next(numbers) == 4
