"""Large revocations of descendants: in batches, beside the writes of others."""

import httpx
import pytest
from api.test_deletions import Other
from support import Database, Server, serving, until
from support.backups import verified
from support.large_families import add_family

#: Enough for many batches.
KEYS = 1_500
LEFT = "select count(*) from api_key where revoked_at is null and name = 'k' and env_id = ?"


def revoked(database: Database) -> list[str]:
    rows = database.execute("select resource_id from audit_log where action = 'api_key.revoked'")
    return [row[0] for row in rows]


def test_204_many_descendants_are_revoked_by_the_response_and_delay_no_write(
    database: Database,
) -> None:
    tenant = database.init()
    owner = {"Authorization": f"Bearer {database.add_session(tenant.user_id)}"}
    made = add_family(database, tenant, KEYS)
    with serving(database, workers=2, HOOKSTREAM_RATE_LIMIT="off") as server:
        with Other(server, database) as other:
            until(lambda: other.statuses[201] > 5)
            path = f"/auth/api-keys/{made[0]['id']}"
            answer = server.request(
                "DELETE", f"{path}?descendants=true", headers=owner, timeout=120
            )
            (left,) = database.execute(LEFT, (tenant.env_id,))[0]
        assert set(other.statuses) == {201}
        assert (answer.status_code, left) == (204, 0)
        assert answer.headers["x-revoked-keys"] == str(KEYS + 1)
        for key in (made[0], made[1], made[-1]):
            who = server.request("GET", "/auth/whoami", headers={"X-API-Key": key["key"]})
            assert who.status_code == 401
    assert sorted(revoked(database)) == sorted(key["id"] for key in made)
    assert verified(database)["ok"]


def test_200_many_keys_of_a_removed_member_are_revoked_by_the_response(
    database: Database,
) -> None:
    tenant = database.init()
    owner = {"Authorization": f"Bearer {database.add_session(tenant.user_id)}"}
    user_id = database.add_user()
    database.add_member(tenant.org_id, user_id, "admin")
    made = add_family(database, tenant, KEYS)
    # The audit log names the operator; whom a key was created by is not part of this test.
    database.execute("update api_key set created_by = ? where id = ?", (user_id, made[0]["id"]))
    with serving(database, HOOKSTREAM_RATE_LIMIT="off") as server:
        path = f"/organizations/{tenant.org_id}/members"
        members = server.request("GET", path, headers=owner).json()["members"]
        (member_id,) = (each["id"] for each in members if each["user_id"] == user_id)
        answer = server.request(
            "DELETE", f"{path}/{member_id}?api_keys=revoke", headers=owner, timeout=120
        )
        counts = answer.json()["api_keys"]
    assert counts == {"not_covered": KEYS + 1, "revoked": KEYS + 1, "rotated": 0}
    assert database.execute(LEFT, (tenant.env_id,)) == [(0,)]


def test_a_client_that_is_gone_does_not_stop_it(database: Database) -> None:
    tenant = database.init()
    owner = {"Authorization": f"Bearer {database.add_session(tenant.user_id)}"}
    made = add_family(database, tenant, KEYS)
    with serving(database, HOOKSTREAM_RATE_LIMIT="off") as server:
        _ask_and_leave(server, f"/auth/api-keys/{made[0]['id']}", owner)
        until(lambda: database.execute(LEFT, (tenant.env_id,)) == [(0,)])
    assert sorted(revoked(database)) == sorted(key["id"] for key in made)


def _ask_and_leave(server: Server, path: str, headers: dict[str, str]) -> None:
    """Revoke with descendants, and close the connection before the response."""
    with pytest.raises(httpx.ReadTimeout):
        httpx.delete(
            f"{server.url}{path}",
            params={"descendants": "true"},
            headers=headers,
            timeout=httpx.Timeout(5, read=0.02),
        )
