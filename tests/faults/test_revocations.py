"""`kill -9` in the middle of a large revocation of descendants, which the next start completes."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from faults.processes import kill_group, wait_for
from support import Database, serving
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
