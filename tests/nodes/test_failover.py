"""Two primaries at once: no node that reads from the old one says what is not so any more."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from nodes.asking import verified
from support import ON_POSTGRESQL, Database, Server, Tenant, serving, until, url_of
from support.backups import command
from support.postgresql import Cluster, running_cluster, running_standby, stand_for
from support.results import result_of
from unit import samples

from hookstream_keys.store import CommitUnknown, open_store

pytestmark = pytest.mark.skipif(not ON_POSTGRESQL, reason="a file has one server")

#: No node is fenced before, and no change is acknowledged before.
FENCE_SECONDS = 5.0


class Split:
    """A node at the old primary, and one at its standby, which was promoted."""

    def __init__(self, old: Server, new: Server, tenant: Tenant, promoted_at: float) -> None:
        self.old, self.new, self.tenant, self.promoted_at = old, new, tenant, promoted_at


@pytest.fixture
def split(tmp_path: Path) -> Iterator[Split]:
    with ExitStack() as stack:
        primary = stack.enter_context(running_cluster())
        standby = stack.enter_context(running_standby(primary))
        old, new = Database(tmp_path / "old" / "keys.db"), Database(tmp_path / "new" / "keys.db")
        for database in (old, new):
            database.path.parent.mkdir()
        url = primary.new_database()
        stand_for(old.path, url)
        stand_for(new.path, standby.url(urlsplit(url).path.lstrip("/")))
        tenant = old.run_init()
        before = stack.enter_context(serving(old, HOOKSTREAM_SINGLE_DATABASE="off"))
        assert verified(before, tenant.key, tenant.key) == (200, "VALID")
        standby.promote()
        promoted_at = time.monotonic()
        # Its own standby is not there yet.
        after = stack.enter_context(serving(new, HOOKSTREAM_SINGLE_DATABASE="on"))
        yield Split(before, after, tenant, promoted_at)


def test_what_the_new_primary_has_revoked_the_old_one_does_not_call_valid(split: Split) -> None:
    found: list[tuple[float, int, str]] = []
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            asked_at = time.monotonic()
            found.append((asked_at, *verified(split.old, split.tenant.key, split.tenant.key)))

    asking = threading.Thread(target=ask)
    asking.start()
    key_id = split.new.database.execute("select id from api_key")[0][0]
    headers = {"X-API-Key": split.tenant.key}
    answer = split.new.request("DELETE", f"/auth/api-keys/{key_id}", headers=headers)
    revoked_at = time.monotonic()
    assert answer.status_code == 204, answer.text
    time.sleep(2)
    ended.set()
    asking.join()
    # It was answered until it was fenced, so that there was something to get wrong.
    assert (200, "VALID") in {(status, code) for _, status, code in found}
    after = {(status, code) for asked_at, status, code in found if asked_at > revoked_at}
    assert after == {(503, "unavailable")}
    assert revoked_at - split.promoted_at >= FENCE_SECONDS
    assert split.old.request("GET", "/health/ready").status_code == 503
    assert split.old.request("GET", "/health").status_code == 200
    assert verified(split.new, split.tenant.key, split.tenant.key)[0] == 401


def test_a_process_that_begins_at_the_old_primary_tells_nothing_of_a_key(split: Split) -> None:
    key, old = split.tenant.key, split.old.database
    with serving(old, ready=False, HOOKSTREAM_SINGLE_DATABASE="off") as late:
        begun, said = time.monotonic(), set()
        while time.monotonic() < begun + FENCE_SECONDS + 2:
            said.add(verified(late, key, key))
        assert said == {(503, "unavailable")}
    done = command(old, "keys", "verify", stdin=key, HOOKSTREAM_SINGLE_DATABASE="off")
    assert (done.returncode, done.stdout) == (1, "")
    assert "does not confirm a change" in done.stderr
    assert "another server is the primary" in done.stderr
    done = command(old, "keys", "verify", stdin=key, HOOKSTREAM_SINGLE_DATABASE="on")
    assert done.returncode == 0


def test_a_process_that_begins_at_the_old_primary_finds_the_new_one(
    split: Split, tmp_path: Path
) -> None:
    both = Database(tmp_path / "both" / "keys.db")
    both.path.parent.mkdir()
    folder = url_of(split.new.database.path).partition("host=")[2]
    stand_for(both.path, f"{url_of(split.old.database.path)},{folder}")
    key_id = split.new.database.execute("select id from api_key")[0][0]
    headers = {"X-API-Key": split.tenant.key}
    answer = split.new.request("DELETE", f"/auth/api-keys/{key_id}", headers=headers)
    assert answer.status_code == 204, answer.text
    split.new.database.execute("alter system reset synchronous_standby_names")
    split.new.database.execute("select pg_reload_conf()")
    with serving(both, ready=False, HOOKSTREAM_SINGLE_DATABASE="off") as late:
        said = set()
        while (answer := late.request("GET", "/health/ready")).status_code != 200:
            said.add(verified(late, split.tenant.key, split.tenant.key)[0])
            assert time.monotonic() - split.promoted_at < 90
        assert said <= {503, 401}
        assert verified(late, split.tenant.key, split.tenant.key)[0] == 401
        assert_counted_once(split.tenant, split.new, late)


def assert_counted_once(tenant: Tenant, *nodes: Server) -> None:
    """A limit counts for all nodes, also where one of them began at the old primary."""
    most = 6

    def create(*options: str) -> str:
        where = ("--name", "n", "--org", tenant.org_id, "--env", tenant.env_id)
        done = command(
            nodes[0].database, "keys", "create", "--json", *where, *options,
            HOOKSTREAM_SINGLE_DATABASE="on",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return str(json.loads(done.stdout)["key"])

    caller, limited = create(), create("--rate-limit", f"{most}/3600")
    codes = [verified(node, caller, limited)[1] for node in nodes for _ in range(most)]
    assert codes.count("VALID") == most


@contextmanager
def with_standby(path: Path) -> Iterator[tuple[Cluster, Cluster, Database, Tenant]]:
    """A primary, its synchronous standby, and a database of the primary with a tenant."""
    with running_cluster() as primary, running_standby(primary) as standby:
        database = Database(path / "keys.db")
        stand_for(database.path, primary.new_database())
        yield primary, standby, database, database.run_init()


def cancel_wait(primary: Cluster, waiting: Future[Any]) -> None:
    """Cancel the wait for the standby as soon as something waits for it."""
    cancel = "select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'"
    while not primary.execute(primary.url(), cancel):
        assert not waiting.done(), waiting.result()


@pytest.mark.parametrize("messages", ["notice", "error"])
def test_a_change_that_the_standby_has_not_confirmed_is_not_acknowledged(messages: str) -> None:
    """A wait for the standby that an operator cancels ends in a commit, with a warning."""
    with running_cluster() as primary, running_standby(primary) as standby:
        url = primary.new_database()
        primary.execute(url, f"alter role postgres set client_min_messages = {messages}")
        store = open_store(url)
        store.migrate()
        tenant = samples.tenant()
        assert result_of(store.add_first_tenant(tenant))
        # Stopped, it confirms nothing.
        standby.stop()
        event = samples.event_of(tenant.key)
        with ThreadPoolExecutor(1) as pool:
            added = pool.submit(lambda: result_of(store.add_events([event])))
            cancel_wait(primary, added)
            with pytest.raises(CommitUnknown, match="the standby has not confirmed"):
                added.result()
        store.close()


def test_a_command_whose_change_was_not_confirmed_says_so(tmp_path: Path) -> None:
    with with_standby(tmp_path) as (primary, standby, database, tenant):
        where = ("--name", "unknown", "--org", tenant.org_id, "--env", tenant.env_id)
        standby.stop()
        with ThreadPoolExecutor(1) as pool:
            create = partial(command, HOOKSTREAM_SINGLE_DATABASE="on")
            created = pool.submit(create, database, "keys", "create", *where)
            cancel_wait(primary, created)
            done = created.result()
        assert (done.returncode, done.stdout) == (1, "")
        assert "may be stored, or not; look before you repeat the command" in done.stderr
        assert database.execute("select count(*) from api_key where name = 'unknown'") == [(1,)]


def test_uses_are_counted_once_while_the_standby_is_away(tmp_path: Path) -> None:
    with with_standby(tmp_path) as (_, standby, database, tenant):
        uses = "select coalesce(sum(count), 0) from key_usage"
        with serving(database, HOOKSTREAM_SINGLE_DATABASE="off") as server:
            for _ in range(5):
                assert verified(server, tenant.key, tenant.key) == (200, "VALID")
            with standby.frozen():
                # Several flushes, each of which would wait for the standby.
                time.sleep(17)
            until(lambda: server.request("GET", "/health/ready").status_code == 200, 20)
            made = verified(server, tenant.key, tenant.key)
            assert made == (200, "VALID")
        # Each verification is two: of the caller's key, and of the same one.
        assert database.execute(uses) == [(12,)]


def test_a_sign_out_that_was_not_confirmed_is_unknown_and_not_done(tmp_path: Path) -> None:
    """Its connection is cut while it waits; the session is gone here, and a failover revives it."""
    with with_standby(tmp_path) as (primary, standby, database, tenant):
        headers = {"Authorization": f"Bearer {database.add_session(tenant.user_id)}"}
        with serving(database, HOOKSTREAM_SINGLE_DATABASE="off") as server:

            def sign_out() -> tuple[int, str]:
                answer = server.request("POST", "/auth/sign-out", headers=headers)
                return answer.status_code, answer.text

            assert server.request("GET", "/auth/whoami", headers=headers).status_code == 200
            cut = "select pg_terminate_backend(pid) from pg_stat_activity"
            with standby.frozen(), ThreadPoolExecutor(1) as pool:
                first = pool.submit(sign_out)
                while not first.done():
                    primary.execute(primary.url(), f"{cut} where wait_event = 'SyncRep'")
                assert first.result()[0] == 503
                assert "may be stored" in first.result()[1]
                assert sign_out()[0] == 503
            until(lambda: sign_out()[0] == 200, 20)


def test_while_the_database_hangs_requests_end_and_afterwards_they_succeed(tmp_path: Path) -> None:
    with running_cluster() as primary:
        database = Database(tmp_path / "keys.db")
        stand_for(database.path, primary.new_database())
        tenant = database.run_init()
        with serving(database) as server:
            assert verified(server, tenant.key, tenant.key) == (200, "VALID")
            with primary.frozen():
                begun = time.monotonic()
                with ThreadPoolExecutor(20) as pool:
                    ask = partial(verified, server, tenant.key, tenant.key)
                    asked = [pool.submit(ask) for _ in range(20)]
                    assert {each.result() for each in asked} == {(503, "unavailable")}
                assert time.monotonic() - begun < 15
                begun = time.monotonic()
                assert server.request("GET", "/health").status_code == 200
                assert time.monotonic() - begun < 1
            until(lambda: verified(server, tenant.key, tenant.key) == (200, "VALID"), 20)


def test_a_node_finds_the_new_primary_while_the_old_one_hangs(tmp_path: Path) -> None:
    with running_cluster() as primary, running_standby(primary) as standby:
        database = Database(tmp_path / "keys.db")
        name = urlsplit(primary.new_database()).path.lstrip("/")
        stand_for(database.path, f"{primary.url(name)},{standby.folder}")
        tenant = database.run_init()
        with serving(database, HOOKSTREAM_SINGLE_DATABASE="off") as server:
            assert verified(server, tenant.key, tenant.key) == (200, "VALID")
            with primary.frozen():
                standby.promote()
                # Its own standby is not there yet.
                standby.execute(standby.url(), "alter system reset synchronous_standby_names")
                standby.execute(standby.url(), "select pg_reload_conf()")
                until(lambda: verified(server, tenant.key, tenant.key) == (200, "VALID"), 40)
                until(lambda: server.request("GET", "/health/ready").status_code == 200, 10)
