"""Two nodes behind nginx, on a primary and its synchronous standby: what deploy/README.md claims.

The tests are in the order of what they break.
"""

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from deploy.topology import CLIENT, LOOPBACK, Topology, deployed, follow
from support import until
from support.postgresql import Session

OTHER_CLIENT = "127.0.0.3"


@pytest.fixture(scope="module")
def topology(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Topology]:
    with deployed(tmp_path_factory.mktemp("deployed")) as made:
        yield made


def test_the_standby_is_synchronous_and_can_be_rewound(topology: Topology) -> None:
    state = "select application_name, sync_state from pg_stat_replication"
    assert topology.primary.sql(state) == "postgres2|quorum"
    assert topology.primary.sql("show wal_log_hints") == "on"
    assert topology.standby.sql("select pg_is_in_recovery()") == "t"


def test_the_database_takes_no_connection_without_a_password(topology: Topology) -> None:
    done = topology.primary.run("psql", "-h", LOOPBACK, "-wU", "hookstream", "-c", "select 1")
    assert done.returncode != 0
    assert "no password supplied" in done.stderr


def test_requests_reach_both_nodes(topology: Topology) -> None:
    for _ in range(8):
        assert topology.ask("GET", "/auth/whoami").status_code == 200
    for node in topology.nodes:
        assert topology.logged(node, "path=/v1/auth/whoami")


def test_a_key_that_one_node_revokes_the_other_refuses_from_the_response_on(
    topology: Topology,
) -> None:
    for trial in range(10):
        key = topology.create().json()
        assert {topology.code_at(node, key["key"]) for node in topology.nodes} == {"VALID"}
        node = topology.nodes[trial % 2]
        headers = {"X-API-Key": topology.tenant.key}
        answer = node.request("DELETE", f"/auth/api-keys/{key['id']}", headers=headers)
        assert answer.status_code == 204
        assert topology.code_at(topology.nodes[1 - trial % 2], key["key"]) == "REVOKED"


def test_the_nodes_know_the_address_of_the_client_and_of_no_other(topology: Topology) -> None:
    key = topology.create(allowed_ips=[CLIENT]).json()["key"]
    own = {"X-API-Key": key}
    for _ in range(2):
        assert topology.ask("GET", "/auth/whoami", headers=own).status_code == 200
    lie = {**own, "X-Forwarded-For": CLIENT, "Forwarded": f"for={CLIENT}", "X-Real-IP": CLIENT}
    for _ in range(2):
        answer = topology.ask("GET", "/auth/whoami", headers=lie, source=OTHER_CLIENT)
        assert answer.status_code == 401


def test_a_client_cannot_set_the_path_prefix(topology: Topology) -> None:
    headers = {"X-Forwarded-Prefix": "/elsewhere"}
    answer = topology.ask("GET", "/openapi.json", headers=headers)
    assert answer.json()["servers"][0]["url"] == "/v1"


def test_errors_are_the_services_own(topology: Topology) -> None:
    headers = {"X-API-Key": topology.tenant.key}
    answer = topology.ask("POST", "/auth/api-keys", content=b"x" * 200_000, headers=headers)
    assert (answer.status_code, answer.json()["status"]) == (413, 413)
    answer = topology.ask("GET", "/auth/whoami", headers={"X-API-Key": "k" * 40_000})
    assert (answer.status_code, answer.json()["status"]) == (431, 431)


def test_no_key_is_in_the_log_of_nginx(topology: Topology) -> None:
    secret = topology.tenant.key
    topology.ask("GET", f"/auth/whoami?key={secret}", headers={"X-API-Key": secret})
    log = (topology.folder / "proxy.log").read_text(encoding="utf-8")
    assert f"{CLIENT} GET /v1/auth/whoami 4" in log
    assert secret not in log


def test_a_node_that_has_lost_its_database_is_passed_over(topology: Topology) -> None:
    lost = topology.nodes[1]
    topology.primary.sql("alter role node2 nologin")
    topology.primary.sql(
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'node2'"
    )
    until(lambda: lost.request("GET", "/health/ready").status_code == 503)
    found = [topology.ask("GET", "/auth/whoami").status_code for _ in range(20)]
    assert set(found) == {200}
    # A POST is not repeated, but soon none is sent there.
    codes = [topology.code(topology.tenant.key) for _ in range(20)]
    assert codes.count("503") <= 3, codes
    assert codes.count("VALID") + codes.count("503") == 20, codes
    topology.primary.sql("alter role node2 login")
    until(lambda: lost.request("GET", "/health/ready").status_code == 200)
    before = len(topology.logged(lost, "path=/v1/auth/whoami"))

    def is_used() -> bool:
        assert topology.ask("GET", "/auth/whoami").status_code == 200
        return len(topology.logged(lost, "path=/v1/auth/whoami")) > before

    until(is_used)


def test_after_a_kill_no_get_fails_and_no_post_is_repeated(topology: Topology) -> None:
    killed = topology.nodes[0]
    keys = [topology.create(f"deleted {n}").json() for n in range(2)]
    ended = threading.Event()
    statuses: list[int] = []

    def read() -> None:
        while not ended.is_set():
            statuses.append(topology.ask("GET", "/auth/whoami").status_code)

    with (
        closing(Session(topology.primary.superuser_url())) as session,
        ThreadPoolExecutor(5) as pool,
    ):
        # Creations wait for the lock of the organization, one in each node.
        session.execute("begin")
        session.execute(
            "select 1 from audit_head where org_id = ? for update", (topology.tenant.org_id,)
        )
        created = [pool.submit(topology.create, f"waits {n}") for n in range(2)]
        waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
        until(lambda: session.execute(waiting) == [(2,)])
        deleted = [
            pool.submit(topology.ask, "DELETE", f"/auth/api-keys/{key['id']}") for key in keys
        ]
        # Behind the creations, in the queues of the nodes.
        time.sleep(0.3)
        reading = pool.submit(read)
        until(lambda: len(statuses) > 5)
        os.killpg(killed.process.pid, signal.SIGKILL)
        so_far = len(statuses)
        until(lambda: len(statuses) > so_far + 10)
        ended.set()
        reading.result()
        session.execute("rollback")
        answers = sorted(each.result().status_code for each in created)
        deletions = [each.result().status_code for each in deleted]
    assert set(statuses) == {200}
    assert answers == [201, 502]
    # One of them was sent again, to the other node.
    assert deletions == [204, 204]
    listed = topology.ask("GET", "/auth/api-keys").json()["api_keys"]
    assert len([key for key in listed if key["name"].startswith("waits")]) == 1


def test_after_a_failover_the_node_finds_the_new_primary(topology: Topology) -> None:
    key = topology.create("before the failover").json()
    topology.primary.stop()
    begun = time.monotonic()
    topology.standby.succeed("pg_ctl", "-w", "promote")
    # No commit without a standby: the operator says that there is none for now.
    topology.standby.sql("alter system set synchronous_standby_names = ''")
    topology.standby.sql("select pg_reload_conf()")
    until(lambda: topology.code(key["key"]) == "VALID", 30)
    headers = {"X-API-Key": topology.tenant.key}
    answer = topology.ask("DELETE", f"/auth/api-keys/{key['id']}", headers=headers)
    assert answer.status_code == 204
    print(f"a change was acknowledged {time.monotonic() - begun:.1f} s after the failover")
    # nginx tries the killed node from time to time. Nothing was sent to it, so even a POST goes on
    # to the other one.
    assert {topology.code(key["key"]) for _ in range(20)} == {"REVOKED"}
    assert {topology.ask("GET", "/auth/whoami").status_code for _ in range(20)} == {200}


def test_the_old_primary_begins_as_a_copy_of_the_new_one(topology: Topology) -> None:
    """After the failover of the test before, as deploy/README.md says."""
    old, new = topology.primary, topology.standby
    assert new.sql("select pg_is_in_recovery()") == "f"
    shutil.rmtree(old.data)
    follow(old, new)
    new.sql("alter system set synchronous_standby_names = 'ANY 1 (postgres1, postgres2)'")
    new.sql("select pg_reload_conf()")
    state = "select application_name, sync_state from pg_stat_replication"
    until(lambda: new.sql(state) == "postgres1|quorum", 30)
    key = topology.create("with a standby").json()
    assert topology.code(key["key"]) == "VALID"
    new.stop()
    old.succeed("pg_ctl", "-w", "promote")
    assert old.sql(f"select count(*) from api_key where id = '{key['id']}'", "hookstream") == "1"
