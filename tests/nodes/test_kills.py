"""Kills under load: what was acknowledged is there, and what was revoked is never valid again.

NODES_WRITES and NODES_READS say how much; tox's `cluster` takes more.
"""

import itertools
import os
import signal
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from nodes.load import LIMITS, Load, two_nodes, writing
from support import NO_TLS, ON_POSTGRESQL, Database, serving
from support.postgresql import running_cluster, running_standby, stand_for

pytestmark = pytest.mark.skipif(not ON_POSTGRESQL, reason="a file has one server")

#: How many secrets are verified at least.
READS = int(os.environ.get("NODES_READS") or 5_000)
#: How many secrets one request verifies.
BATCH = 100


def test_the_primary_is_killed_and_its_standby_promoted(tmp_path: Path) -> None:
    with running_cluster() as primary, running_standby(primary) as standby:
        database = Database(tmp_path / "keys.db")
        name = urlsplit(primary.new_database()).path.lstrip("/")
        stand_for(database.path, f"{primary.url(name)},{standby.folder}")
        with two_nodes(database, database.run_init()) as load:
            with writing(load):
                primary.kill()
                standby.promote()
            load.assert_all_is_there(lambda sql: standby.execute(standby.url(name), sql))
    load.tell()


def test_a_node_is_killed(tmp_path: Path) -> None:
    database = Database(tmp_path / "keys.db")
    tenant = database.init()
    with serving(database, **LIMITS) as left, serving(database, stop=False, **LIMITS) as killed:
        load = Load((left, killed), tenant)
        with writing(load):
            killed.process.send_signal(signal.SIGKILL)
            killed.process.wait(10)
        load.assert_all_is_there(database.execute)
    load.tell()


def test_what_one_node_has_revoked_the_other_never_calls_valid(tmp_path: Path) -> None:
    database = Database(tmp_path / "keys.db")
    tenant = database.init()
    body = {"org_id": tenant.org_id, "env_id": tenant.env_id, "name": "k"}
    headers = {"X-API-Key": tenant.key}
    codes: dict[str, int] = {}
    with (
        serving(database, **LIMITS) as one,
        serving(database, **LIMITS) as two,
        httpx.Client(timeout=20, trust_env=False, verify=NO_TLS, headers=headers) as http,
    ):
        revoked: list[dict[str, str]] = []
        for turn in itertools.count():
            if sum(codes.values()) >= READS:
                break
            writer, reader = (one, two) if turn % 2 else (two, one)
            made = http.post(f"{writer.url}/auth/api-keys", json=body).json()
            first = http.post(f"{reader.url}/auth/api-keys/verify", json={"key": made["key"]})
            assert first.json()["code"] == "VALID"
            answer = http.delete(f"{writer.url}/auth/api-keys/{made['id']}")
            assert answer.status_code == 204
            revoked.append({"key": made["key"]})
            # The new one again and again, and those before it.
            asked = {"requests": (revoked[-50:] + revoked[-1:] * BATCH)[:BATCH]}
            answer = http.post(f"{reader.url}/auth/api-keys/verify-batch", json=asked)
            for each in answer.json()["results"]:
                codes[each["code"]] = codes.get(each["code"], 0) + 1
    assert set(codes) == {"REVOKED"}
    print(f"{codes['REVOKED']} reads after {len(revoked)} revocations")
