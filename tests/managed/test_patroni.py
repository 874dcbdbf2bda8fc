"""Failovers by Patroni under load: nothing acknowledged is lost, and the nodes find the primary."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from interop.proxies import free_port
from managed.members import START_SECONDS, running
from nodes.load import two_nodes, writing
from support import NO_TLS, ON_POSTGRESQL, Database, until
from support.postgresql import private_folder, shared_cluster, stand_for

pytestmark = pytest.mark.skipif(not ON_POSTGRESQL, reason="Patroni manages PostgreSQL")


def test_two_failovers_lose_nothing_and_revive_nothing(tmp_path: Path) -> None:
    with ExitStack() as stack:
        ports = [free_port() for _ in range(6)]
        folders = [stack.enter_context(private_folder()) for _ in range(3)]
        first, second = stack.enter_context(running(folders, ports))
        hosts = ",".join(f"127.0.0.1:{member.port}" for member in (first, second))
        url = f"postgresql://postgres@{hosts}"
        shared_cluster().execute(
            f"postgresql://postgres@127.0.0.1:{first.port}/postgres", "create database keys"
        )
        database = Database(tmp_path / "keys.db")
        stand_for(database.path, f"{url}/keys")
        tenant = database.run_init()
        load = stack.enter_context(two_nodes(database, tenant))
        with writing(load):
            for primary, standby in ((first, second), (second, first)):
                primary.kill()
                until(lambda: standby.is_now("primary"), START_SECONDS)  # noqa: B023 - called at once
                # A supervisor would start it again; nothing is acknowledged without a standby.
                primary.start()
                until(lambda: primary.is_now("sync"), START_SECONDS)  # noqa: B023 - the same
        load.tell()
        direct = f"postgresql://postgres@127.0.0.1:{first.port}/keys"
        load.assert_all_is_there(lambda sql: shared_cluster().execute(direct, sql))
        headers = {"X-API-Key": tenant.key}
        with httpx.Client(timeout=20, trust_env=False, verify=NO_TLS, headers=headers) as http:
            for node in load.nodes:
                for key_id in load.revoked[-20:]:
                    path = f"{node.url}/auth/api-keys/{key_id}"
                    assert shown(http, path)["revoked_at"] is not None


def shown(http: httpx.Client, path: str) -> dict[str, Any]:
    """The key as a node shows it, whose heartbeats may have begun just now."""
    answer = http.get(path)

    def is_answered() -> bool:
        nonlocal answer
        answer = http.get(path)
        assert answer.status_code in (200, 503), answer.text
        return answer.status_code == 200

    until(is_answered, 30)
    key: dict[str, Any] = answer.json()["api_key"]
    return key
