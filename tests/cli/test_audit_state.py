"""`hookstream-keys audit verify --state`: what was changed behind the log's back is found."""

import json
import os
import pty
import sqlite3
import subprocess
from contextlib import closing
from typing import Any

import pytest
from sqlite_utils import Database as Tables
from support import COMMAND, Database, environment, serving
from support.backups import answer, change, command, create, edit, editing, init, verified
from support.bulk import add_keys
from support.history import World

from hookstream_keys.store.sqlite.audit_chain import STEP
from hookstream_keys.store.sqlite.migrations import migrations


def test_every_change_by_the_api_is_explained_by_the_log(world: World) -> None:
    found = verified(world.database, "--state")
    assert found["state"] == {
        "ok": True,
        "complete": True,
        "checked": {"organization": 2, "environment": 4, "api_key": 9, "rotation": 4, "member": 3},
        "unchecked": {},
        "fault_count": 0,
        "faults": [],
    }
    done = command(world.database, "audit", "verify", "--state")
    assert done.stdout.splitlines() == [
        f"ok, {found['rows']} rows, head {found['head']}",
        "state ok, 2 organizations, 4 environments, 9 keys, 4 rotations, 3 members",
    ]
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        # The examples of docs/audit-log.md.
        ("update api_key set revoked_at = null where id = '{revoked}'", "revoked_at"),
        ("update \"member\" set role = 'owner' where id = '{member}'", "role"),
        ("update api_key set allowed_ips = '' where id = '{rich}'", "allowed_ips"),
        # What would give more rights.
        ("update api_key set scopes = '*' where id = '{rich}'", "scopes"),
        ("update api_key set enabled = 1 where id = '{rich}'", "enabled"),
        ("update api_key set role = null where id = '{rich}'", "role"),
        ("update api_key set expires_at = null where id = '{rich}'", "expires_at"),
        ("update api_key set rate_limit = null where id = '{rich}'", "rate_limit"),
        ("update api_key set digest = randomblob(32) where id = '{rich}'", "secret_fingerprint"),
        ("update api_key set env_id = '{env_2}' where id = '{rich}'", "env_id"),
        ("update api_key set created_by = '{user}' where id = '{rich}'", "created_by"),
        ("update rotation set state = 'grace' where id = '{rotation_cancelled}'", "state"),
        ("update rotation set sets_expiry = 1 where id = '{rotation_pending}'", "sets_expiry"),
        ("update rotation set expires_at = null where id = '{rotation_rotated}'", "expires_at"),
        ("update environment set deleted_at = null where id = '{env_gone}'", "deleted_at"),
        ("update \"member\" set \"userId\" = 'usr_2' where id = '{member}'", "user_id"),
        ("update \"organization\" set name = 'x' where id = '{org}'", "name"),
        ("update \"organization\" set slug = 'x' where id = '{org}'", "slug"),
    ],
)
def test_a_changed_row_is_reported_by_name(world: World, statement: str, expected: str) -> None:
    world.edit("pragma foreign_keys = off", statement)
    ((kind, row_id, field),) = world.faults()
    assert field == expected
    assert row_id in world.ids.values()
    done = command(world.database, "audit", "verify", "--state")
    assert done.returncode == 1
    line = done.stdout.splitlines()[1]
    assert line.startswith(f'{kind} "{row_id}": {expected} is ')
    assert "; by the log it is " in line
    assert line.endswith(")")


#: Columns that the log does not tell of, so that they cannot be checked.
UNTOLD = {("member", "createdAt"), ("rotation", "cancelled_at")}


def columns(table: str) -> list[str]:
    """The columns of a table, as the migrations make it."""
    with closing(sqlite3.connect(":memory:")) as connection:
        migrations.apply(Tables(connection))
        return [row[1] for row in connection.execute(f'pragma table_info("{table}")')]


COMPARED = [
    (table, column)
    for table in ("environment", "api_key", "rotation", "member")
    for column in columns(table)
    if (table, column) not in UNTOLD
]


@pytest.mark.parametrize(("table", "column"), COMPARED)
def test_a_change_of_any_column_of_any_row_is_detected(
    world: World, table: str, column: str
) -> None:
    """Of every row in turn, undone in between."""
    with editing(world.database.path) as execute:
        execute("pragma ignore_check_constraints = on")
        execute("pragma foreign_keys = off")
        rows = list(execute(f'select id, "{column}" from "{table}"'))
        for row_id, value in rows:
            execute(
                f'update "{table}" set "{column}" = ? where id = ?', (other(column, value), row_id)
            )
            found = world.faults()
            assert {each[0] for each in found} == {table}, row_id
            assert all(row_id in each[1] or column == "id" for each in found)
            execute(
                f'update "{table}" set "{column}" = ? where id = ?',
                (value, row_id + "x" if column == "id" else row_id),
            )
    assert world.faults() == []


def other(column: str, value: Any) -> Any:
    """Another value that the column may have."""
    if isinstance(value, bytes):
        return value[::-1]
    if isinstance(value, int):
        return value + 1 if column == "grace_period_seconds" else 1 - value
    others = {
        "metadata": '{"plan":"enterprise"}',
        "rate_limit": "99/60",
        "prefix": "hs_live_zzzz",
        "state": "cancelled" if value == "grace" else "grace",
        "mode": "live" if value == "test" else "test",
    }
    return others.get(column, f"{value or ''}x")


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (["delete from api_key where id = '{rich}'"], ("api_key", "rich")),
        (["delete from \"member\" where id = '{member}'"], ("member", "member")),
        (
            ["delete from rotation where id = '{rotation_pending}'"],
            ("rotation", "rotation_pending"),
        ),
        (["delete from environment where id = '{env_2}'"], ("environment", "env_2")),
    ],
)
def test_a_removed_row_is_detected(
    world: World, statements: list[str], expected: tuple[str, str]
) -> None:
    world.edit(*statements)
    assert world.faults() == [(expected[0], world.ids[expected[1]], "row")]
    done = command(world.database, "audit", "verify", "--state")
    assert f'"{world.ids[expected[1]]}" is missing; by the log it is there (seq ' in done.stdout


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        (
            "insert into api_key (id, digest, org_id, env_id, name, prefix, scopes, created_at)"
            " values ('new', randomblob(32), '{org}', '{env}', 'n', 'hs_live_0000', '*', '2020')",
            "api_key",
        ),
        (
            "insert into \"member\" values ('new', '{org}', '{user}', 'owner', '2020-01-01')",
            "member",
        ),
        (
            "insert into environment (id, org_id, name, slug, mode, created_at)"
            " values ('new', '{org}', 'n', 's', 'live', '2020')",
            "environment",
        ),
        (
            "insert into rotation (id, key_id, digest, prefix, state, grace_period_seconds,"
            " sets_expiry, created_at) values ('new', '{rich}', randomblob(32), 'hs_live_0000',"
            " 'grace', 0, 0, '2020')",
            "rotation",
        ),
    ],
)
def test_a_row_without_an_event_is_detected(world: World, statement: str, kind: str) -> None:
    world.edit(statement)
    assert world.faults() == [(kind, "new", "row")]
    done = command(world.database, "audit", "verify", "--state")
    assert f'{kind} "new" is there; by the log it was never made' in done.stdout


def test_a_removed_member_that_is_back_is_reported(world: World) -> None:
    row = world.database.row_of("member", world.ids["member"])
    with serving(world.database) as server:
        owner = {"Authorization": f"Bearer {world.database.add_session(world.tenant.user_id)}"}
        path = f"/organizations/{world.tenant.org_id}/members/{world.ids['member']}"
        assert server.request("DELETE", path, headers=owner).is_success
    assert world.faults() == []
    world.database.insert("member", row)
    assert world.faults() == [("member", world.ids["member"], "row")]


def test_expired_rows_may_be_pruned(world: World) -> None:
    world.edit(
        "pragma foreign_keys = on",
        "delete from rotation where state = 'cancelled'",
        "delete from environment where deleted_at is not null",
        "delete from api_key where revoked_at is not null",
    )
    assert world.faults() == []


def test_a_member_whose_user_better_auth_deleted_is_no_fault(world: World) -> None:
    world.edit("pragma foreign_keys = on", "delete from \"user\" where id = '{user}'")
    assert world.faults() == []


def test_organizations_that_better_auth_made_are_counted_only(world: World) -> None:
    org_id = world.database.add_organization()
    world.database.add_member(org_id, world.ids["user"], "owner")
    found = verified(world.database, "--state")
    assert found["ok"]
    assert found["state"]["unchecked"] == {
        "organizations whose beginning no known event tells": 1,
        "members of organizations whose beginning no known event tells": 1,
    }
    # What is not checked is not among what was.
    assert (found["state"]["checked"]["organization"], found["state"]["checked"]["member"]) == (
        2,
        3,
    )
    done = command(world.database, "audit", "verify", "--state")
    assert done.stdout.endswith(
        "\nnot checked: 1 organizations whose beginning no known event tells"
        "\nnot checked: 1 members of organizations whose beginning no known event tells\n"
    )


def test_an_organization_s_names_by_the_api_are_as_the_log_says(world: World) -> None:
    with serving(world.database) as server:
        owner = {"Authorization": f"Bearer {world.database.add_session(world.tenant.user_id)}"}
        for body in ({"name": "Renamed"}, {"slug": "renamed"}, {"name": "Again", "slug": "again"}):
            path = f"/organizations/{world.tenant.org_id}"
            assert server.request("PATCH", path, headers=owner, json=body).is_success
            assert world.faults() == []
    world.edit("update \"organization\" set name = 'Acme' where id = '{org}'")
    assert world.faults() == [("organization", world.ids["org"], "name")]
    done = command(world.database, "audit", "verify", "--state")
    assert 'name is "Acme"; by the log it is "Again" (seq ' in done.stdout


def test_at_most_100_faults_are_listed_and_the_others_counted(
    database: Database,
) -> None:
    tenant = init(database)
    edit(
        database.path,
        "with recursive n (i) as (select 1 union all select i + 1 from n where i < 130)"
        " insert into api_key (id, digest, org_id, env_id, name, prefix, scopes, created_at)"
        f" select 'k' || i, randomblob(32), '{tenant.org_id}', '{tenant.env_id}', 'n',"
        " 'hs_live_0000', '*', '2020' from n",
    )
    found = verified(database, "--state")["state"]
    assert (len(found["faults"]), found["fault_count"]) == (100, 130)
    lines = command(database, "audit", "verify", "--state").stdout.splitlines()
    assert (len(lines), lines[-1]) == (102, "and 30 more")


def test_a_chain_that_does_not_hold_is_not_replayed(world: World) -> None:
    world.edit(
        "drop trigger audit_log_no_update",
        "update audit_log set details = '{{}}' where seq = 2",
        "update api_key set revoked_at = null",
    )
    found = verified(world.database, "--state")
    assert (found["ok"], found["problem"], found["seq"]) == (False, "changed", 2)
    assert "state" not in found


def test_it_changes_nothing_and_tells_a_terminal_nothing(world: World) -> None:
    world.edit("update api_key set name = char(27) || '[2J' where id = '{rich}'")
    before = world.database.dump()
    done = command(world.database, "audit", "verify", "--state")
    assert r'name is "\u001b[2J"; by the log it is "Rich" (seq ' in done.stdout
    assert world.database.dump() == before


@pytest.mark.parametrize(
    "statement",
    [
        "update api_key set rate_limit = 'much' where id = '{rich}'",
        "update api_key set metadata = '[1]' where id = '{rich}'",
        pytest.param(
            "update \"member\" set \"createdAt\" = 'then' where id = '{member}'",
            marks=pytest.mark.on_sqlite(reason="PostgreSQL's column has times only"),
        ),
    ],
)
def test_an_unreadable_file_is_reported(world: World, statement: str) -> None:
    world.edit(statement)
    ((_, row_id, field),) = world.faults()
    assert (row_id in world.ids.values(), field) == (True, "row")
    done = command(world.database, "audit", "verify", "--state")
    assert '" cannot be read: ' in done.stdout


@pytest.mark.on_sqlite(reason="PostgreSQL's columns have values of their types only")
def test_values_of_another_kind_are_faults_like_others(world: World) -> None:
    world.edit(
        "pragma writable_schema = on",
        "update sqlite_master set sql = replace(sql, ') strict', ')') where name = 'api_key'",
    )
    world.edit(
        "pragma ignore_check_constraints = on",
        "update api_key set digest = 'text', name = x'00ff' where id = '{rich}'",
        "update \"member\" set role = x'ff' where id = '{member}'",
        "update \"member\" set id = 7 where id <> '{member}' and \"organizationId\" = '{org}'",
        "update environment set name = cast(x'ff' as text) where id = '{env_2}'",
    )
    assert {field for _, _, field in world.faults()} == {"name", "role", "row"}
    done = command(world.database, "audit", "verify", "--state")
    assert (done.returncode, done.stderr) == (1, "")
    assert 'name is "\\udcff"; by the log it is "Second"' in done.stdout


def test_events_of_keys_tell_no_secret(world: World) -> None:
    digests = world.database.execute(
        "select digest from api_key union all select digest from rotation"
    )
    told = json.dumps(world.database.execute("select details from audit_log")).lower()
    said = command(world.database, "audit", "verify", "--state", "--json").stdout.lower()
    for (digest,) in digests:
        assert digest.hex() not in told + said


def test_a_change_by_the_operator_is_in_the_log(world: World) -> None:
    made = create(world.database, world.tenant)
    change(world.database, made["id"], scopes="a:read", expires_at="2999-01-01T00:00:00Z")
    answer(world.database, "keys", "rotate", made["id"], "--grace-period", "60")
    answer(world.database, "keys", "revoke", made["id"])
    assert world.faults() == []


def test_a_terminal_is_shown_how_far_it_is(database: Database) -> None:
    tenant = init(database)
    events = add_keys(database.path, tenant.org_id, tenant.env_id, STEP)
    assert events > STEP
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [COMMAND, "audit", "verify", "--state"],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=environment(database.path, TERM="xterm"),
        check=True,
        timeout=60,
    )
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert "audit log" in shown
    assert "state" in shown
    assert "%" in shown
    # The answer is on standard output, and nothing else.
    assert done.stdout.count(b"\n") == 2
