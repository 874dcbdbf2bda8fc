"""`kill -9`, and a lock on the database, in the middle of a large revocation of descendants."""

import sqlite3
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest
from faults.processes import kill_group, wait_for
from support import Database, assert_error, serving
from support.backups import verified
from support.large_families import add_family

KEYS = 2_000
WORKERS = 2


def test_a_killed_revocation_is_completed_by_the_next_start(database: Database) -> None:
    tenant = database.init()
    owner = {"Authorization": f"Bearer {database.add_session(tenant.user_id)}"}
    made = add_family(database, tenant, KEYS)

    def revoked() -> Counter[str]:
        rows = database.execute(
            "select resource_id from audit_log where action = 'api_key.revoked'"
        )
        return Counter(row[0] for row in rows)

    path = f"/auth/api-keys/{made[0]['id']}?descendants=true"
    with (
        serving(database, workers=WORKERS, HOOKSTREAM_RATE_LIMIT="off") as server,
        ThreadPoolExecutor(1) as threads,
    ):
        answer = threads.submit(server.request, "DELETE", path, headers=owner)
        wait_for(lambda: revoked().total() > 200, "the revocation did not go on")
        kill_group(server)
        with pytest.raises(httpx.HTTPError):
            answer.result()
    assert revoked().total() < KEYS
    # The first is the key itself: it creates no more.
    assert revoked()[made[0]["id"]] == 1
    assert verified(database, "--state")["ok"]

    with serving(database, workers=WORKERS, HOOKSTREAM_RATE_LIMIT="off") as server:
        wait_for(lambda: revoked().total() > KEYS, "the revocation was not completed")
        answers = [
            server.request("GET", "/auth/whoami", headers={"X-API-Key": key["key"]})
            for key in (made[0], made[-1])
        ]
    assert [answer.status_code for answer in answers] == [401, 401]
    events = revoked()
    assert set(events) == {key["id"] for key in made}
    assert set(events.values()) == {1}
    assert verified(database, "--state")["ok"]


def test_a_removal_that_a_lock_interrupts_says_so_and_its_repeat_waits_for_the_rest(
    database: Database,
) -> None:
    tenant = database.init()
    owner = {"Authorization": f"Bearer {database.add_session(tenant.user_id)}"}
    user_id = database.add_user()
    member_id = database.add_member(tenant.org_id, user_id, "admin")
    made = add_family(database, tenant, KEYS)
    database.execute("update api_key set created_by = ? where id = ?", (user_id, made[0]["id"]))

    def left() -> int:
        (row,) = database.execute(
            "select count(*) from api_key where revoked_at is null and name = 'k'"
        )
        return int(row[0])

    path = f"/organizations/{tenant.org_id}/members/{member_id}?api_keys=revoke"
    with (
        serving(database, workers=WORKERS, HOOKSTREAM_RATE_LIMIT="off") as server,
        ThreadPoolExecutor(1) as threads,
    ):
        lock = sqlite3.connect(database.path, isolation_level=None, timeout=0)
        removal = threads.submit(server.request, "DELETE", path, headers=owner)
        while not lock.execute("select 1 from pending_revocation").fetchone():
            assert not removal.done()
        _begin_between_batches(lock)
        interrupted = removal.result()
        assert left() > 0
        lock.execute("rollback")
        lock.close()
        assert_error(interrupted, 503, "unavailable")
        assert interrupted.json()["error"].startswith("The change is stored")
        repeated = server.request("DELETE", path, headers=owner)
        assert left() == 0
        assert_error(repeated, 404, "member_not_found")
    # Not its state: the log does not say that the member created these keys.
    assert verified(database)["ok"]


def _begin_between_batches(connection: sqlite3.Connection) -> None:
    """Take the write lock. Its waits would be too long: it is free for a moment only."""
    while not connection.in_transaction:
        with suppress(sqlite3.OperationalError):
            connection.execute("begin immediate")
