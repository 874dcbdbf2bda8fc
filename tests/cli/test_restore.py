"""`hookstream-keys restore`: what was ended stays ended."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from support import ON_POSTGRESQL, Database, Tenant, serving
from support.backups import (
    answer,
    assert_refused,
    backup,
    change,
    code,
    command,
    copy,
    create,
    edit,
    init,
    restore,
    verified,
)

RICH = (
    "--scopes", "a:* b:read c:write", "--expires-at", "2999-01-01T00:00:00Z",
    "--allowed-ip", "192.0.2.0/24", "--allowed-ip", "2001:db8::/32", "--rate-limit", "100/60",
)  # fmt: skip


def key_row(database: Database, key_id: str, columns: str) -> tuple[Any, ...]:
    return database.execute(f"select {columns} from api_key where id = ?", (key_id,))[0]


def actions(database: Database, after: int) -> list[str]:
    rows = database.execute("select action from audit_log where seq > ? order by seq", (after,))
    return [row[0] for row in rows]


def test_rows_created_since_are_removed_and_the_log_is_kept(
    database: Database, tenant: Tenant
) -> None:
    path = backup(database)
    later = create(database, tenant)
    kept = verified(database)
    found = restore(database, path)
    assert (found["compared"], found["changes"]["api_key.removed"]) == (True, 1)
    assert [code(database, secret) for secret in (tenant.key, later["key"])] == [
        "VALID",
        "NOT_FOUND",
    ]
    # The log loses no event, including those after the backup.
    assert verified(database, "--since-head", kept["head"])["rows"] == kept["rows"] + 2
    assert actions(database, kept["rows"]) == ["organization.restored", "api_key.removed"]
    ((details, user, request),) = database.execute(
        "select details, user_id, request_id from audit_log where action like '%.restored'"
    )
    assert json.loads(details) == {"until": found["until"], "compared": True, "sealed": True}
    assert (user, request[:4]) == (None, "req_")


def test_a_key_that_was_revoked_stays_revoked(database: Database, tenant: Tenant) -> None:
    created = create(database, tenant)
    path = backup(database)
    answer(database, "keys", "revoke", created["id"], "--reason", "keyCompromise")
    ended = key_row(database, created["id"], "revoked_at, revocation_reason")
    rows = verified(database)["rows"]
    assert restore(database, path)["preserved"]["keys_revoked"] == 1
    assert key_row(database, created["id"], "revoked_at, revocation_reason") == ended
    assert code(database, created["key"]) == "REVOKED"
    # Nothing was changed, so no event is added.
    assert actions(database, rows) == ["organization.restored"]
    # And again: the backup is as valid as it was.
    assert restore(database, path)["preserved"]["keys_revoked"] == 1


@pytest.mark.parametrize(
    ("since", "column", "expected"),
    [
        ({"enabled": False}, "enabled", 0),
        ({"expires_at": "2998-01-01T00:00:00Z"}, "expires_at", "2998-01-01T00:00:00.000Z"),
        ({"expires_at": None}, "expires_at", "2999-01-01T00:00:00.000Z"),
        ({"scopes": "a:read d:write b:*"}, "scopes", "b:read a:read"),
        ({"scopes": "*"}, "scopes", "a:* b:read c:write"),
        ({"scopes": "d:read"}, "enabled, scopes", (0, "d:read")),
        ({"allowed_ips": ["192.0.2.7/32"]}, "allowed_ips", "192.0.2.7/32"),
        ({"allowed_ips": []}, "allowed_ips", "192.0.2.0/24 2001:db8::/32"),
        (
            {"allowed_ips": ["198.51.100.0/24"]},
            "enabled, allowed_ips",
            (0, "198.51.100.0/24"),
        ),
        ({"rate_limit": {"requests": 10, "window_seconds": 60}}, "rate_limit", "10/60"),
        ({"rate_limit": None}, "rate_limit", "100/60"),
        ({"rate_limit": {"requests": 1000, "window_seconds": 60}}, "rate_limit", "100/60"),
    ],
)
def test_of_two_rules_the_narrower_applies(
    database: Database, tenant: Tenant, since: dict[str, Any], column: str, expected: object
) -> None:
    created = create(database, tenant, *RICH)
    was = key_row(database, created["id"], column)
    path = backup(database)
    change(database, created["id"], **since)
    now, rows = key_row(database, created["id"], column), verified(database)["rows"]
    found = restore(database, path)
    row = key_row(database, created["id"], column)
    assert row == (expected if isinstance(expected, tuple) else (expected,))
    assert found["preserved"]["keys_narrowed"] == (row != was)
    assert actions(database, rows)[1:] == ["api_key.restored"] * (row != now)


@pytest.mark.parametrize("role", ["member", "unknown"])
def test_of_two_roles_of_a_key_the_lower_applies(
    database: Database, tenant: Tenant, role: str
) -> None:
    created = create(database, tenant)
    path = backup(database)
    database.execute("update api_key set role = ? where id = ?", (role, created["id"]))
    assert restore(database, path, explained=False)["preserved"]["keys_narrowed"] == 1
    assert key_row(database, created["id"], "role") == (role,)


def test_what_is_not_narrowed_is_as_it_was_and_the_log_says_so(
    database: Database, tenant: Tenant
) -> None:
    created = create(database, tenant, "--metadata", "plan=free")
    path = backup(database)
    change(database, created["id"], metadata={"plan": "enterprise"}, name="Renamed")
    rows = verified(database)["rows"]
    restore(database, path)
    assert key_row(database, created["id"], "name, metadata") == ("n", '{"plan":"free"}')
    ((details,),) = database.execute(
        "select details from audit_log where seq > ? and action = 'api_key.restored'", (rows,)
    )
    assert json.loads(details)["changes"] == {
        "name": {"old": "Renamed", "new": "n"},
        "metadata": {"old": {"plan": "enterprise"}, "new": {"plan": "free"}},
    }


def test_a_replaced_secret_is_not_restored(database: Database, tenant: Tenant) -> None:
    created = create(database, tenant)
    path = backup(database)
    rotated = answer(database, "keys", "rotate", created["id"], "--grace-period", "0")
    with serving(database) as server:
        used = server.request("GET", "/auth/whoami", headers={"X-API-Key": rotated["key"]})
        assert used.status_code == 200
        old = server.request("GET", "/auth/whoami", headers={"X-API-Key": created["key"]})
        assert old.status_code == 401
        assert restore(database, path)["preserved"]["keys_rotated"] == 1
        for secret, status in ((rotated["key"], 200), (created["key"], 401)):
            said = server.request("GET", "/auth/whoami", headers={"X-API-Key": secret})
            assert said.status_code == status


def test_a_secret_that_was_replaced_keeps_the_expiry_that_it_was_given(
    database: Database, tenant: Tenant
) -> None:
    created = create(database, tenant, "--expires-at", "2998-01-01T00:00:00Z")
    path = backup(database)
    where = ("--grace-period", "0", "--expires-at", "2999-01-01T00:00:00Z")
    rotated = answer(database, "keys", "rotate", created["id"], *where)
    with serving(database) as server:
        used = server.request("GET", "/auth/whoami", headers={"X-API-Key": rotated["key"]})
        assert used.status_code == 200
    restore(database, path)
    assert key_row(database, created["id"], "expires_at") == ("2999-01-01T00:00:00.000Z",)


def test_a_cancelled_new_secret_is_not_restored(database: Database, tenant: Tenant) -> None:
    created = create(database, tenant)
    first = answer(database, "keys", "rotate", created["id"], "--grace-period", "0")
    path = backup(database)
    second = answer(database, "keys", "rotate", created["id"], "--grace-period", "0")
    assert restore(database, path)["preserved"]["keys_rotated"] == 1
    secrets = (created["key"], first["key"], second["key"])
    assert [code(database, secret) for secret in secrets] == ["VALID", "REVOKED", "VALID"]


def test_removed_and_demoted_members_stay_so(database: Database, tenant: Tenant) -> None:
    gone, lower, raised = (database.add_user() for _ in range(3))
    for user, role in ((gone, "admin"), (lower, "admin"), (raised, "member")):
        database.add_member(tenant.org_id, user, role)
    # The rows were made behind the log's back, as by better-auth's organization plugin.
    path = backup(database, explained=False)
    database.execute('delete from "member" where "userId" = ?', (gone,))
    for user, role in ((lower, "member"), (raised, "owner")):
        database.execute('update "member" set role = ? where "userId" = ?', (role, user))
    found = restore(database, path, "--unsealed", explained=False)
    assert (found["preserved"]["members_removed"], found["preserved"]["roles_lowered"]) == (1, 1)
    roles = dict(database.execute('select "userId", role from "member"'))
    assert roles == {tenant.user_id: "owner", lower: "member", raised: "member"}
    # Of the three only this one is not as it was before the restore.
    assert actions(database, found["rows"])[1:] == ["member.updated"]


def test_an_organization_always_has_an_owner(database: Database, tenant: Tenant) -> None:
    path = backup(database)
    heir = database.add_user()
    database.add_member(tenant.org_id, heir, "owner")
    database.execute('delete from "member" where "userId" = ?', (tenant.user_id,))
    restore(database, path, explained=False)
    assert database.execute('select "userId", role from "member"') == [(heir, "owner")]


def test_an_organization_that_was_deleted_comes_back_without_its_keys(
    database: Database, tenant: Tenant
) -> None:
    removed, other = database.add_user(), database.add_user()
    database.add_member(tenant.org_id, other, "owner")
    database.add_member(tenant.org_id, removed, "admin")
    with serving(database) as server:
        headers = {"Authorization": f"Bearer {database.add_session(other)}"}
        path = backup(database, explained=False)
        (member,) = database.execute('select id from "member" where "userId" = ?', (removed,))[0]
        place = f"/organizations/{tenant.org_id}"
        for address in (f"{place}/members/{member}", place):
            done = server.request("DELETE", address, headers=headers)
            assert done.is_success, done.text
        found = restore(database, path, "--unsealed")
    assert (found["preserved"]["keys_revoked"], found["preserved"]["members_removed"]) == (1, 1)
    assert code(database, tenant.key) == "REVOKED"
    assert database.execute("select id from organization") == [(tenant.org_id,)]
    members = {row[0] for row in database.execute('select "userId" from "member"')}
    assert members == {tenant.user_id, other}
    assert database.count("environment") == 1


def test_users_sign_in_again_with_their_current_password(
    database: Database, tenant: Tenant
) -> None:
    path = backup(database)
    # A copy that was made by other means has sessions in it.
    database.add_session(tenant.user_id)
    copied = database.path.with_name("copy.db")
    copy(database, copied)
    database.execute("update account set password = 'another'")
    for name in (path, copied):
        restore(database, name, "--unsealed")
        assert database.count('"session"') == 0
        assert database.execute("select password from account") == [("another",)]


def test_an_invitation_that_was_cancelled_stays_so(database: Database, tenant: Tenant) -> None:
    for name in ("inv_1", "inv_2", "inv_3"):
        database.execute(
            'insert into invitation (id, "organizationId", email, status, "expiresAt",'
            " \"createdAt\", \"inviterId\") values (?, ?, 'x@example.com', 'pending', ?, ?, ?)",
            (name, tenant.org_id, database.now(), database.now(), tenant.user_id),
        )
    path = backup(database)
    database.execute("update invitation set status = 'canceled' where id = 'inv_1'")
    database.execute("delete from invitation where id = 'inv_2'")
    assert restore(database, path)["preserved"]["invitations_cancelled"] == 2
    assert database.execute("select status from invitation order by id") == [
        ("canceled",),
        ("canceled",),
        ("pending",),
    ]


def test_usage_counts_go_up_only(database: Database, tenant: Tenant) -> None:
    path = backup(database)
    with serving(database) as server:
        assert server.request("GET", "/auth/whoami", headers={"X-API-Key": tenant.key}).is_success
    restore(database, path)
    assert database.execute("select outcome, count from key_usage") == [("VALID", 1)]


def test_without_a_database_it_says_what_it_cannot_know(database: Database, tenant: Tenant) -> None:
    created = create(database, tenant)
    database.add_session(tenant.user_id)
    path = backup(database)
    (until,) = database.execute("select max(created_at) from audit_log")[0]
    answer(database, "keys", "revoke", created["id"])
    database.lose()
    done = command(database, "restore", str(path), "--json")
    assert done.returncode == 0, done.stderr
    none = "data in the database" if ON_POSTGRESQL else f"database {database.path}"
    assert done.stderr.startswith(f"WARNING: there was no {none} to compare the backup with. ")
    assert until in done.stderr
    assert json.loads(done.stdout)["compared"] is False
    # It is as valid as the warning says.
    assert code(database, created["key"]) == "VALID"
    assert database.count('"session"') == 0
    assert verified(database)["rows"] == 5
    assert actions(database, 4) == ["organization.restored"]
    with serving(database) as server:
        assert server.request("GET", "/auth/whoami", headers={"X-API-Key": tenant.key}).is_success


@pytest.mark.on_sqlite(reason="PostgreSQL's database is no file")
def test_a_restored_file_is_readable_by_its_owner_only(database: Database, tenant: Tenant) -> None:
    path = backup(database)
    database.lose()
    previous = os.umask(0)
    try:
        assert command(database, "restore", str(path)).returncode == 0
    finally:
        os.umask(previous)
    assert database.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.on_sqlite(reason="of the files that SQLite keeps beside the database")
def test_leftover_files_are_not_part_of_the_next_database(
    database: Database, tenant: Tenant
) -> None:
    path = backup(database)
    database.lose()
    database.path.with_name("hookstream.db-wal").write_bytes(b"pages of another life")
    assert_refused(database, "restore", path, "hookstream.db-wal is left of a database")


def test_a_dry_run_says_the_same_and_changes_nothing(database: Database, tenant: Tenant) -> None:
    created = create(database, tenant)
    path = backup(database)
    answer(database, "keys", "revoke", created["id"])
    before = database.dump()
    rehearsed = restore(database, path, "--dry-run")
    assert database.dump() == before
    assert restore(database, path) == rehearsed
    database.lose()
    restore(database, path, "--dry-run")
    assert not database.has_tables


def test_a_backup_of_another_database_is_refused(database: Database, tenant: Tenant) -> None:
    other = Database(database.path.with_name("other.db"))
    init(other)
    assert_refused(database, "restore", backup(other), "not one of this database")
    # One of a database that was rolled back, and has diverged since.
    path = backup(database, "mine.db")
    create(database, tenant)
    later = backup(database, "later.db")
    database.lose()
    restore(database, path)
    create(database, tenant)
    assert_refused(database, "restore", later, "not one of this database")


CHANGES = pytest.mark.parametrize(
    ("harm", "says"),
    [
        ("update audit_log set request_id = 'req_0' where seq = 2", "changed, seq 2"),
        ("delete from audit_log where seq = 3", "removed, seq 3"),
        ("delete from environment", "belongs to none of environment"),
        (f"delete from audit_log; update audit_head set seq = 0, hash = '{0:064}'", "no backup"),
    ],
)


@CHANGES
def test_a_backup_that_is_not_sound_is_refused_also_unsealed(
    database: Database, tenant: Tenant, harm: str, says: str
) -> None:
    path = backup(database)
    triggers = [f"drop trigger audit_log_no_{change}" for change in ("update", "delete")]
    edit(path, *triggers, *harm.split("; "))
    assert_refused(database, "restore", path, "was changed since it was sealed")
    assert_refused(database, "restore", path, says, "--unsealed")


def test_an_incomplete_database_is_refused(database: Database, tenant: Tenant) -> None:
    path = backup(database)
    content = path.read_bytes()
    for harm in (b"", content[: len(content) // 2], b"x" * 4096):
        path.write_bytes(harm)
        assert_refused(database, "restore", path, "is no", "--unsealed")
        assert_refused(database, "restore", path, "")


@pytest.mark.on_sqlite(reason="PostgreSQL's database is no file")
def test_the_database_is_no_backup_of_itself(database: Database, tenant: Tenant) -> None:
    assert_refused(database, "restore", database.path, "is the database itself")


@pytest.mark.on_sqlite(reason="it damages the database's file")
def test_a_database_that_is_damaged_says_what_to_do(database: Database, tenant: Tenant) -> None:
    path = backup(database)
    database.path.write_bytes(b"x" * 4096)
    done = command(database, "restore", str(path))
    assert done.returncode == 1
    assert done.stderr.startswith("hookstream-keys: the database does not answer")
    assert database.path.read_bytes() == b"x" * 4096


def test_a_backup_of_an_older_version_is_upgraded_and_of_a_newer_one_refused(
    database: Database, tenant: Tenant
) -> None:
    older, newer = backup(database), backup(database, "newer.db")
    step = "m0010_usage"
    edit(older, "drop table key_usage", f"delete from _sqlite_migrations where name = '{step}'")
    restore(database, older, "--unsealed")
    assert database.count("key_usage") == 0
    edit(newer, f"update _sqlite_migrations set name = 'm9999_future' where name = '{step}'")
    assert_refused(database, "restore", newer, "newer version", "--unsealed")


def test_the_text_output_is_lines(database: Database, tenant: Tenant) -> None:
    path = backup(database)
    done = command(database, "restore", str(path))
    assert (done.returncode, done.stderr) == (0, "")
    assert "\napi_key                          0 restored, 0 updated, 0 removed\n" in done.stdout
    assert "\nsession                          0 removed\n" in done.stdout
    assert "\npreserved.keys_revoked           0\n" in done.stdout


def test_a_file_that_is_not_there(database: Database, tenant: Tenant, tmp_path: Path) -> None:
    done = command(database, "restore", str(tmp_path / "nothing"))
    assert (done.returncode, done.stdout) == (2, "")
