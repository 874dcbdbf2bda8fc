"""What `restore` says that it did: every row that it changed is counted, with and without a log."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from support import ON_POSTGRESQL, Database, Tenant
from support.backups import (
    answer,
    backup,
    change,
    command,
    create,
    edit,
    init,
    restore,
)
from support.history import begin

from hookstream_keys.store.sqlite.restore_columns import COLUMNS
from hookstream_keys.store.sqlite.restore_counts import KINDS, PEOPLE, SESSIONS

#: What the audit log calls what the counts have.
ACTIONS = {
    "organization.removed": "organization.deleted",
    "environment.updated": "environment.restored",
    "api_key.updated": "api_key.restored",
    "rotation.restored": "api_key.rotation_restored",
}
#: What has no event of its own: every organization has one, and rotations go with their key.
UNTOLD = {"organization.restored", "organization.updated", "rotation.updated", "rotation.removed"}


TABLES = (
    "select relname from pg_class where relkind = 'r' and relpersistence = 'p'"
    " and relnamespace = 'public'::regnamespace"
    if ON_POSTGRESQL
    else "select name from sqlite_master where type = 'table'"
)


def rows(database: Database) -> dict[str, dict[Any, tuple[Any, ...]]]:
    """Every row of every table that is no part of the audit log, by its primary key."""
    return {
        table: {row[: 2 if table == "key_usage" else 1]: row
                for row in database.execute(f'select * from "{table}"')}
        for (table,) in database.execute(TABLES)
        if not table.startswith(("audit_", "_sqlite", "backup_"))
    }  # fmt: skip


def differences(before: Any, after: Any) -> dict[str, int]:
    """What was restored, updated and removed between two states, by the names of the counts."""
    found = Counter[str]()
    for table, kind in (KINDS | PEOPLE | SESSIONS).items():
        was, now = before[table], after[table]
        found[f"{kind}.restored"] = len(now.keys() - was.keys())
        found[f"{kind}.removed"] = len(was.keys() - now.keys())
        found[f"{kind}.updated"] = sum(was[key] != now[key] for key in was.keys() & now.keys())
    return {name: count for name, count in found.items() if count}


def counted(found: dict[str, Any]) -> dict[str, int]:
    return {name: count for name, count in found["changes"].items() if count}


def told(database: Database) -> Counter[str]:
    """How many events there are, by their actions."""
    return Counter(dict(database.execute("select action, count(*) from audit_log group by action")))


def test_every_table_that_is_put_back_is_counted() -> None:
    assert KINDS.keys() == COLUMNS.keys()
    # In a database there is nothing else, but for the log.
    assert not KINDS.keys() & PEOPLE.keys() & SESSIONS.keys()


def assert_all_counted(database: Database, path: Path, *options: str) -> dict[str, int]:
    """Rehearse and restore: both print the same, and the counts are what was changed."""
    before, told_before = rows(database), told(database)
    rehearsed = [
        command(database, "restore", str(path), "--dry-run", *options, *form).stdout
        for form in ((), ("--json",))
    ]
    assert rows(database) == before
    copy = Database(database.path.with_name("copy.db"))
    copy.lose()
    copy.copy_of(database)
    done = command(copy, "restore", str(path), *options)
    assert done.stdout == rehearsed[0]
    done = command(database, "restore", str(path), *options, "--json")
    assert done.stdout == rehearsed[1]
    found = counted(json.loads(done.stdout))
    assert found == differences(before, rows(database))
    events = Counter[str]()
    for name, count in found.items():
        if name.partition(".")[0] in ("organization", "environment", "api_key", "rotation",
                                      "member") and name not in UNTOLD:  # fmt: skip
            events[ACTIONS.get(name, name)] += count
    logged = told(database) - told_before
    del logged["organization.restored"]
    assert logged == events
    return found


def test_everything_created_since_is_counted_as_removed(tmp_path: Path) -> None:
    database = Database(tmp_path / "hookstream.db")
    world = begin(database)
    path = backup(database)
    tenant = world.tenant
    later = create(database, tenant)
    answer(database, "keys", "rotate", later["id"], "--grace-period", "0")
    change(database, world.ids["rich"], name="Renamed", metadata={"plan": "enterprise"})
    database.execute(
        'insert into invitation (id, "organizationId", email, status, "expiresAt", "createdAt",'
        " \"inviterId\") values ('i', ?, 'x@example.com', 'pending', ?, ?, ?)",
        (tenant.org_id, database.now(), database.now(), tenant.user_id),
    )
    database.add_session(tenant.user_id)
    database.execute("update key_usage set count = count + 1")
    database.execute(
        "insert into receipt (id, fingerprint, sealed, created_at) values (?, ?, ?, '2026')",
        (bytes(32), bytes(32), b"\0"),
    )
    database.execute("update \"organization\" set logo = 'x' where id = ?", (tenant.org_id,))
    found = assert_all_counted(database, path)
    assert found["api_key.removed"] == found["rotation.removed"] == 1
    assert found["api_key.updated"] == found["organization.updated"] == 1
    assert found["invitation.removed"] == found["idempotency_record.removed"] == 1
    assert found["session.removed"] >= 1


def test_everything_that_was_removed_since_is_counted_as_restored(tmp_path: Path) -> None:
    database = Database(tmp_path / "hookstream.db")
    world = begin(database)
    path = backup(database)
    # As better-auth's organization plugin deletes one: with all that belongs to it.
    edit(
        database.path,
        "pragma foreign_keys = on",
        f"delete from \"organization\" where id = '{world.tenant.org_id}'",
    )
    found = assert_all_counted(database, path)
    assert found["organization.restored"] == 1
    assert found["environment.restored"] == 3
    assert found["api_key.restored"] == 9
    assert found["member.restored"] == 2
    assert found["rotation.restored"] == 4


def test_a_user_who_signed_up_since_stays_and_their_organization_goes(tmp_path: Path) -> None:
    database = Database(tmp_path / "hookstream.db")
    init(database)
    path = backup(database)
    database.lose()
    restored = restore(database, path)
    # Of a lost database all comes back, with the people.
    assert counted(restored) == {
        "user.restored": 1,
        "account.restored": 1,
        "organization.restored": 1,
        "environment.restored": 1,
        "member.restored": 1,
        "api_key.restored": 1,
    }
    path = backup(database, "second.db")
    user = database.add_user()
    org = database.add_organization()
    database.add_member(org, user, "owner")
    found = restore(database, path)
    assert counted(found) == {"organization.removed": 1, "member.removed": 1}
    assert database.count('"user"') == 2


def test_a_column_that_a_plugin_added_since_is_empty_again_and_counted(
    database: Database, tenant: Tenant
) -> None:
    path = backup(database)
    edit(database.path, 'alter table "organization" add column "plan" text')
    assert_all_counted(database, path)
    database.execute('update "organization" set "plan" = \'free\'')
    assert assert_all_counted(database, path) == {"organization.updated": 1}


def test_a_dry_run_without_a_database_prints_what_the_real_run_does(
    database: Database, tenant: Tenant
) -> None:
    database.add_session(tenant.user_id)
    path = backup(database)
    database.lose()
    rehearsed = command(database, "restore", str(path), "--dry-run").stdout
    # On PostgreSQL it is empty; a command makes no database.
    assert ON_POSTGRESQL or not database.exists
    assert command(database, "restore", str(path)).stdout == rehearsed
