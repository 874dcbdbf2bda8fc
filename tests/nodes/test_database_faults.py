"""Faults between a node and its database: 503 meanwhile, then as before, without a restart."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from faults.shortage.faults import DISK_FULL, SOURCE, Injector
from nodes.asking import verified
from support import ON_POSTGRESQL, Database, Server, Tenant, programs, run, serving, until, url_of
from support.postgresql import Session, private_folder, running_cluster, shared_cluster, stand_for
from support.slow_network import SlowNetwork

pytestmark = pytest.mark.skipif(not ON_POSTGRESQL, reason="a file is not on the network")

#: How many clients write at once.
CLIENTS = 8
#: How often all connections are cut.
CUTS = 10


class Node:
    """A node, and a client of it."""

    def __init__(self, server: Server, tenant: Tenant) -> None:
        self.server, self.tenant = server, tenant
        #: What it has acknowledged.
        self.created: list[str] = []

    def create(self, idempotency_key: str | None = None) -> int:
        """The status of a create."""
        tenant = self.tenant
        headers = {"X-API-Key": tenant.key}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        body = {"org_id": tenant.org_id, "env_id": tenant.env_id, "name": "k"}
        answer = self.server.request("POST", "/auth/api-keys", json=body, headers=headers)
        if answer.status_code == 201:
            self.created.append(answer.json()["id"])
        else:
            assert answer.json()["code"] == "unavailable", answer.text
        return answer.status_code

    def verify(self) -> int:
        """The status of a verification of a valid key."""
        status, code = verified(self.server, self.tenant.key, self.tenant.key)
        assert status != 200 or code == "VALID"
        return status

    def recovers(self) -> None:
        """It answers as before."""
        until(lambda: (self.create(), self.verify()) == (201, 200), 30)
        until(lambda: self.server.request("GET", "/health/ready").status_code == 200, 10)

    def lost_nothing(self, database: Database) -> None:
        """What it has acknowledged is there, and everything else as a whole or not at all."""
        keys = {key for (key,) in database.execute("select id from api_key where name = 'k'")}
        assert set(self.created) - keys == set()
        found = database.execute(
            "select resource_id from audit_log where action = 'api_key.created'"
        )
        assert keys - {key for (key,) in found} == set()


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "keys.db")


@pytest.fixture
def network(database: Database) -> Iterator[SlowNetwork]:
    """Between the node of a test and its database."""
    cluster = shared_cluster()
    with private_folder() as folder, SlowNetwork(cluster.folder, folder).running() as network:
        yield network


@pytest.fixture
def behind(database: Database, network: SlowNetwork, tmp_path: Path) -> Iterator[Node]:
    """A node behind the network; the database's own address stays the direct one."""
    cluster = shared_cluster()
    url = cluster.new_database()
    stand_for(database.path, url)
    tenant = database.run_init()
    far = Database(tmp_path / "far" / "keys.db")
    far.path.parent.mkdir()
    name = urlsplit(url).path.lstrip("/")
    stand_for(far.path, f"postgresql://postgres@/{name}?host={network.folder}")
    far.begin_with(vars(tenant))
    with serving(far) as server:
        yield Node(server, tenant)


def at_once(work: Any, times: int) -> Counter[int]:
    with ThreadPoolExecutor(CLIENTS) as pool:
        return Counter(pool.map(lambda _: work(), range(times)))


def test_a_slow_network_makes_answers_late_and_a_slower_one_503(
    behind: Node, network: SlowNetwork, database: Database
) -> None:
    network.delay = 0.05
    begun = time.monotonic()
    assert behind.verify() == 200
    assert time.monotonic() - begun >= 2 * network.delay
    assert at_once(behind.create, 2 * CLIENTS) == {201: 2 * CLIENTS}
    network.delay = 20.0
    begun = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        creating = pool.submit(behind.create)
        assert at_once(behind.verify, CLIENTS) == {503: CLIENTS}
        assert creating.result() == 503
    # A look-up is waited for once.
    assert time.monotonic() - begun < 9
    assert behind.server.request("GET", "/health").status_code == 200
    assert behind.server.request("GET", "/health/ready").status_code == 503
    network.delay = 0.0
    behind.recovers()
    behind.lost_nothing(database)


def test_cut_connections_lose_nothing_and_repeats_complete(
    behind: Node, network: SlowNetwork, database: Database
) -> None:
    # So that a cut meets transactions in their middle.
    network.delay = 0.002
    answered: Counter[int] = Counter()
    ended = threading.Event()

    def write(client: int) -> None:
        for number in itertools.count():
            if ended.is_set():
                return
            name = f"client-{client:04}-number-{number:04}"
            while (status := behind.create(name)) != 201:
                answered[status] += 1
            answered[status] += 1

    with ThreadPoolExecutor(CLIENTS) as pool:
        writers = [pool.submit(write, client) for client in range(CLIENTS)]
        for _ in range(CUTS):
            time.sleep(0.7)
            network.cut()
        ended.set()
        for each in writers:
            each.result()
    assert answered[201] >= CUTS
    assert answered[503] >= CUTS
    assert len(set(behind.created)) == answered[201]
    behind.recovers()
    behind.lost_nothing(database)
    [(made,)] = database.execute("select count(*) from api_key where name = 'k'")
    assert made == len(set(behind.created))


def test_without_a_free_connection_of_the_server_it_answers_503(database: Database) -> None:
    import asyncpg

    with running_cluster(max_connections="12", max_wal_senders="0") as primary:
        url = primary.new_database()
        stand_for(database.path, url)
        tenant = database.run_init()
        with serving(database) as server, ExitStack() as others:
            node = Node(server, tenant)
            assert node.verify() == 200
            session = others.enter_context(closing(Session(url)))

            def take_all() -> None:
                with suppress(asyncpg.TooManyConnectionsError):
                    while True:
                        others.enter_context(closing(Session(url)))

            def take_those_of_the_node() -> bool:
                take_all()
                session.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where application_name = 'hookstream-keys'"
                )
                take_all()
                return node.verify() == 503

            until(take_those_of_the_node, 30)
            assert at_once(node.verify, 16) == {503: 16}
            assert node.create() == 503
            assert server.request("GET", "/health").status_code == 200
            others.close()
            node.recovers()


def test_writes_that_wait_for_a_lock_hold_no_read_up(database: Database) -> None:
    tenant = database.init()
    with serving(database) as server, closing(Session(url_of(database.path))) as other:
        node = Node(server, tenant)
        assert node.create() == 201
        other.execute("begin")
        other.execute("select 1 from audit_head where org_id = ? for update", [tenant.org_id])
        with ThreadPoolExecutor(CLIENTS) as pool:
            writing = [pool.submit(node.create) for _ in range(CLIENTS)]
            for _ in range(50):
                assert node.verify() == 200
            assert {each.result() for each in writing} == {503}
        other.execute("rollback")
        node.recovers()
        node.lost_nothing(database)


def test_a_full_disk_of_the_database_is_503_for_writes_only(database: Database) -> None:
    injectors: list[Injector] = []

    def faults(folder: Path) -> dict[str, str]:
        # Here, where the server's user can read and write.
        injector = Injector(
            programs.library(SOURCE, folder), folder / "data" / "base" / "any", folder / "control"
        )
        injector.control.chmod(0o666)
        injectors.append(injector)
        return injector.environment

    with running_cluster(faults) as primary:
        [injector] = injectors
        stand_for(database.path, primary.new_database())
        tenant = database.run_init()
        with serving(database) as server:
            node = Node(server, tenant)
            assert node.create() == 201
            with injector.faulty(DISK_FULL):
                # What fits into pages that exist is stored as before.
                until(lambda: node.create() == 503, 30)
                assert node.verify() == 200
                assert server.request("GET", "/health").status_code == 200
            node.recovers()
            node.lost_nothing(database)


@pytest.mark.parametrize("command", ["backup", "migrate-store"])
def test_a_full_disk_of_a_file_is_named(database: Database, tmp_path: Path, command: str) -> None:
    """Not that of the temporary copy, nor the database."""
    database.run_init()
    path = tmp_path / "full" / "keys.db"
    path.parent.mkdir()
    injector = Injector.beside(path, programs.library(SOURCE, tmp_path))
    words = {
        "backup": ["backup", str(path), "--database", url_of(database.path)],
        "migrate-store": ["migrate-store", url_of(database.path), f"sqlite:///{path}"],
    }
    with injector.faulty(DISK_FULL):
        done = run(*words[command], database=database.path, **injector.environment)
    assert done.returncode == 1
    assert f"cannot write {path}: there is no room left in {path.parent}" in done.stderr
    # The database is used as before.
    assert run("orgs", "list", database=database.path).returncode == 0
