"""What a running server prunes by itself, and what stays because it is set so."""

import secrets
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from support import Database, Server, Tenant, assert_error, iso, serving, until


def add_verification(database: Database) -> None:
    """An expired row, as better-auth leaves one of a mailed link."""
    past = iso(datetime.now(UTC) - timedelta(minutes=1))
    database.execute(
        'insert into "verification" (id, identifier, value, "expiresAt", "createdAt", "updatedAt")'
        " values (?, 'x', 'y', ?, ?, ?)",
        (secrets.token_hex(16), past, past, past),
    )


def bearer(database: Database, tenant: Tenant) -> dict[str, str]:
    return {"Authorization": f"Bearer {database.add_session(tenant.user_id)}"}


def sign_in(server: Server, tenant: Tenant) -> httpx.Response:
    body = {"email": tenant.email, "password": tenant.password}
    return server.request("POST", "/auth/sign-in/email", json=body)


@pytest.mark.on_sqlite(reason="the formats of better-auth's adapters for it")
def test_expired_sessions_and_verifications_go_within_seconds(database: Database) -> None:
    tenant = database.init()
    with serving(database, workers=2) as server:
        token = sign_in(server, tenant).json()["token"]
        old = [database.add_session(tenant.user_id, timedelta(seconds=-1)) for _ in range(250)]
        database.execute(
            'update "session" set "expiresAt" = ? where token = ?',
            (int(datetime.now(UTC).timestamp() * 1000) - 1000, old[0]),
        )
        add_verification(database)
        until(lambda: (database.count('"session"'), database.count('"verification"')) == (1, 0))
        headers = {"Authorization": f"Bearer {token}"}
        assert server.request("GET", "/auth/whoami", headers=headers).status_code == 200


def test_kinds_set_to_off_are_not_pruned(database: Database) -> None:
    tenant = database.init()
    database.add_session(tenant.user_id, timedelta(days=-400))
    with serving(database, HOOKSTREAM_RETENTION_SESSIONS="off"):
        # The second is added when the server has begun to prune.
        for _ in range(2):
            add_verification(database)
            until(lambda: database.count('"verification"') == 0)
    assert database.count('"session"') == 1


def test_a_deleted_environment_is_404_before_and_after_it_is_pruned(database: Database) -> None:
    tenant = database.init()
    owner = bearer(database, tenant)
    with serving(database, HOOKSTREAM_RETENTION_ENVIRONMENTS="1") as server:
        path = f"/environments/{tenant.env_id}"
        assert server.request("DELETE", path, headers=owner).status_code == 204
        key_id = database.execute("select id from api_key")[0][0]
        shown = server.request("GET", f"/auth/api-keys/{key_id}", headers=owner).json()
        assert shown["api_key"]["state"] == "revoked"
        before = server.request("GET", "/auth/whoami", headers={"X-API-Key": tenant.key})
        assert_error(before, 401, "unauthorized")
        database.execute(
            "update environment set deleted_at = ?", (iso(datetime.now(UTC) - timedelta(days=2)),)
        )
        until(lambda: database.count("environment") == 0)
        assert database.count("api_key") == 0
        assert_error(server.request("GET", path, headers=owner), 404, "environment_not_found")
        gone = server.request("GET", f"/auth/api-keys/{key_id}", headers=owner)
        assert_error(gone, 404, "api_key_not_found")
        after = server.request("GET", "/auth/whoami", headers={"X-API-Key": tenant.key})
        assert_error(after, 401, "unauthorized")
        # Its history stays to be read.
        log = server.request("GET", "/audit-log", headers=owner, params={"resource_id": key_id})
        actions = [each["action"] for each in log.json()["audit_log"]]
        assert actions[-2:] == ["api_key.revoked", "api_key.created"]
    # Nothing is recorded of the pruning; the attempts with the key are.
    actions = [row[0] for row in database.execute("select action from audit_log order by seq")]
    assert actions[-2:] == ["environment.deletion_completed", "api_key.refused"]
