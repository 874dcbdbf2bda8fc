"""`kill -9` in the middle of large deletions, which the next start completes."""

import json
from collections import Counter

from faults.processes import kill_group, wait_for
from support import Database, serving
from support.backups import verified
from support.large_environments import add_large_environment

#: Of each of the two.
KEYS = 1_200
WORKERS = 2


def test_a_killed_deletion_is_completed_by_the_next_start(database: Database) -> None:
    tenant = database.init()
    owner = {"Authorization": f"Bearer {database.add_session(tenant.user_id)}"}
    environment = add_large_environment(database, tenant.org_id, KEYS)
    # As better-auth makes one.
    org_id = database.add_organization()
    database.add_member(org_id, tenant.user_id, "owner")
    of_organization = add_large_environment(database, org_id, KEYS)
    secrets = (environment.secret, of_organization.secret)

    def revoked() -> Counter[str]:
        rows = database.execute(
            "select resource_id from audit_log where action = 'api_key.revoked'"
        )
        return Counter(row[0] for row in rows)

    def completed() -> dict[str, int]:
        rows = database.execute(
            "select resource_id, details from audit_log where action like '%.deletion_completed'"
        )
        return {row[0]: json.loads(row[1])["keys_revoked"] for row in rows}

    with serving(database, workers=WORKERS, HOOKSTREAM_RATE_LIMIT="off") as server:
        for path in (f"/environments/{environment.id}", f"/organizations/{org_id}"):
            assert server.request("DELETE", path, headers=owner).status_code == 204
        begun = revoked().total()
        wait_for(lambda: revoked().total() > begun + 200, "the deletions did not go on")
        kill_group(server)
    assert begun < revoked().total() < 2 * KEYS
    assert not completed()
    assert verified(database, "--state")["ok"]

    with serving(database, workers=WORKERS, HOOKSTREAM_RATE_LIMIT="off") as server:
        for secret in secrets:
            answer = server.request("GET", "/auth/whoami", headers={"X-API-Key": secret})
            assert answer.status_code == 401
        wait_for(lambda: len(completed()) == 2, "the deletions were not completed")
    events = revoked()
    assert set(events) == {*environment.key_ids, *of_organization.key_ids}
    assert set(events.values()) == {1}
    assert completed() == {environment.id: KEYS, org_id: KEYS}
    assert database.execute("select count(*) from organization where id = ?", (org_id,)) == [(0,)]
    assert verified(database, "--state")["ok"]
