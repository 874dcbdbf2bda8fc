"""`hookstream-keys restore` of a backup whose seal is missing or wrong, or that its log denies."""

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support import ON_POSTGRESQL, Database, Tenant
from support.backups import (
    answer,
    assert_refused,
    backup,
    code,
    command,
    create,
    edit,
    restore,
)

from hookstream_keys.store.sqlite.restore_columns import COLUMNS

SAY = (
    "; --unsealed puts it back nevertheless: use it only if you know where the file comes from and "
    "who could write to it"
)


@pytest.fixture
def path(database: Database, tenant: Tenant) -> Path:
    """A backup with a key that is revoked in it."""
    created = create(database, tenant)
    answer(database, "keys", "revoke", created["id"], "--reason", "keyCompromise")
    return backup(database)


def unsealed(database: Database, path: Path) -> tuple[dict[str, Any], list[str]]:
    """Put a backup back all the same: what came of it, and the warnings."""
    done = command(database, "restore", str(path), "--unsealed", "--json")
    assert done.returncode == 0, done.stderr
    facts: dict[str, Any] = json.loads(done.stdout)
    warnings = [
        line for line in done.stderr.splitlines() if "to compare the backup with" not in line
    ]
    assert [f"WARNING: {path} {warning}." for warning in facts["warnings"]] == warnings
    return facts, facts["warnings"]


def test_a_backup_without_a_seal_is_refused_unless_overridden(
    database: Database, path: Path
) -> None:
    edit(path, "drop table backup_seal")
    says = f"{path} has no seal: anyone who could write to it may have changed it{SAY}"
    assert_refused(database, "restore", path, says)
    assert_refused(database, "restore", path, says, "--dry-run")
    facts, warnings = unsealed(database, path)
    assert facts["sealed"] is False
    assert warnings == ["has no seal: anyone who could write to it may have changed it"]
    ((details,),) = database.execute(
        "select details from audit_log where action = 'organization.restored'"
    )
    assert json.loads(details)["sealed"] is False


@pytest.mark.parametrize("table", [*COLUMNS, "user", "account", "audit_log", "audit_head"])
def test_the_table_that_was_changed_is_named(database: Database, path: Path, table: str) -> None:
    """Of each table a row is added, or where there is one, its last column is changed."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for change in ("update", "delete"):
            connection.execute(f"drop trigger audit_log_no_{change}")
        columns = connection.execute(f'pragma table_info("{table}")').fetchall()
        (count,) = connection.execute(f'select count(*) from "{table}"').fetchone()
        connection.execute("pragma ignore_check_constraints = on")
        if count:
            connection.execute(f'update "{table}" set "{columns[-1][1]}" = \'7\'')
        else:
            places = ", ".join("x'07'" if kind == "BLOB" else "'7'" for _, _, kind, *_ in columns)
            connection.execute(f'insert into "{table}" values ({places})')
    named = f"{path} was changed since it was sealed: the table {table}, the schema{SAY}"
    assert_refused(database, "restore", path, named)


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("create table more (x)", "the table more, the schema"),
        ("alter table api_key add column more text", "the table api_key, the schema"),
        ("drop index api_key_env", "the schema"),
        ("create trigger t after insert on audit_log begin select 1; end", "the schema"),
        ("create view v as select 1", "the schema"),
        ("pragma user_version = 7", "the schema"),
        ("drop table receipt", "the table receipt, the schema"),
        ("delete from backup_seal where part = 'table api_key'", "the table api_key"),
        ("delete from backup_seal where part <> 'file'", "another signing secret"),
        ("update backup_seal set hmac = zeroblob(32)", "another signing secret"),
        ("update backup_seal set hmac = zeroblob(32) where part = 'file'", "elsewhere in the file"),
        ("alter table backup_seal rename column hmac to mac", "has no seal"),
        ("delete from backup_seal", "has no seal"),
        (
            "drop table backup_seal | create table backup_seal (part, rows, hmac) |"
            " insert into backup_seal values (1, 2, 3), (null, null, null), (x'00', 1, x'00')",
            "has no seal",
        ),
        (
            "drop table backup_seal | create view backup_seal as with recursive"
            " n (part, rows, hmac) as (select 1, 1, 1 union all select * from n) select * from n",
            "has no seal",
        ),
        ("vacuum", "elsewhere in the file"),
    ],
)
def test_a_change_of_the_schema_or_the_seal_is_reported(
    database: Database, path: Path, statement: str, named: str
) -> None:
    edit(path, *statement.split(" | "))
    assert_refused(database, "restore", path, named)


def test_rows_that_change_places_are_reported(database: Database, tenant: Tenant) -> None:
    first, second = (create(database, tenant)["id"] for _ in range(2))
    path = backup(database)
    edit(
        path,
        f"update api_key set id = 'x' where id = '{first}'",
        f"update api_key set id = '{first}' where id = '{second}'",
        f"update api_key set id = '{second}' where id = 'x'",
    )
    assert_refused(database, "restore", path, "the table api_key;")


@pytest.mark.parametrize("more", [b"\0", b"\0" * 4096, b"x" * 5000])
def test_bytes_that_are_added_are_found(database: Database, path: Path, more: bytes) -> None:
    path.write_bytes(path.read_bytes() + more)
    assert_refused(database, "restore", path, "")


def test_free_space_in_the_file_is_sealed_too(database: Database, path: Path) -> None:
    content = bytearray(path.read_bytes())
    # Between the cells of a page there is nothing that SQLite reads.
    at = content.rindex(bytes(64))
    content[at + 32] ^= 1
    path.write_bytes(content)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
    assert_refused(database, "restore", path, "not in a table, but elsewhere in the file")


def test_the_seal_of_another_backup_does_not_fit(database: Database, tenant: Tenant) -> None:
    path = backup(database)
    create(database, tenant)
    other = backup(database, "other.db")
    edit(
        other,
        f"attach '{path}' as first",
        "delete from backup_seal",
        "insert into backup_seal select * from first.backup_seal",
    )
    assert_refused(database, "restore", other, "the table api_key, the table audit_head, the table")


def test_another_secret_does_not_fit_and_an_older_one_does(database: Database, path: Path) -> None:
    other, secret = "x" * 32, "a-secret-for-tests-only-0123456789abcdef"
    says = "made with another signing secret than what {} has, or all of the seal was changed"
    name = "BETTER_AUTH_SECRET"
    assert_refused(database, "restore", path, says.format(name), BETTER_AUTH_SECRET=other)
    names, several = f"{name}S and {name}", {f"{name}S": f"2:{other}"}
    assert_refused(
        database, "restore", path, says.format(names), **several, BETTER_AUTH_SECRET=other
    )
    older = {"BETTER_AUTH_SECRETS": f"2:{other},1:{secret}", "BETTER_AUTH_SECRET": ""}
    done = command(database, "restore", str(path), **older)
    assert (done.returncode, done.stderr) == (0, "")
    # And what is sealed with the new one is known by that.
    again = path.with_name("again.db")
    assert command(database, "backup", str(again), **older).returncode == 0
    done = command(database, "restore", str(again), BETTER_AUTH_SECRET=other)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_the_secret_it_is_refused_and_none_is_made(database: Database, path: Path) -> None:
    # The file is that of the database which is named, wherever the backup is.
    file = f", or put back the file that was kept, {database.path}.secret"
    says = (
        f"{path} has a seal that cannot be checked: there is no signing secret. Set "
        f"BETTER_AUTH_SECRET to what it was when the backup was made{'' if ON_POSTGRESQL else file}"
        f"{SAY}"
    )
    assert_refused(database, "restore", path, says, BETTER_AUTH_SECRET="")
    database.lose()
    assert_refused(database, "restore", path, says, BETTER_AUTH_SECRET="")
    done = command(database, "restore", str(path), "--unsealed", BETTER_AUTH_SECRET="")
    assert done.returncode == 0, done.stderr
    assert "has a seal that cannot be checked" in done.stderr
    assert not list(database.path.parent.glob("*.secret*"))


def test_without_a_secret_no_backup_is_made(database: Database, tenant: Tenant) -> None:
    path = database.path.with_name("b.db")
    file = f", or put {database.path}.secret back; where there was none, hookstream-keys init"
    says = (
        "there is no signing secret to seal the backup with: set BETTER_AUTH_SECRET to what serve "
        f"has{'' if ON_POSTGRESQL else file}"
    )
    assert_refused(database, "backup", path, says, BETTER_AUTH_SECRET="")


@pytest.mark.on_sqlite(reason="on PostgreSQL the secret has to be set")
def test_the_file_that_was_read_is_named_and_the_one_that_was_not(
    database: Database, path: Path
) -> None:
    file = database.path.with_name("hookstream.db.secret")
    file.touch(0o600)
    file.write_text("x" * 32)
    says = f"another signing secret than the one in {file}, or"
    assert_refused(database, "restore", path, says, BETTER_AUTH_SECRET="")
    says = (
        f"another signing secret than what BETTER_AUTH_SECRET has ({file}, which is there, is not "
        "read while that is set), or"
    )
    assert_refused(database, "restore", path, says, BETTER_AUTH_SECRET="y" * 32)


@pytest.mark.on_sqlite(reason="on PostgreSQL the secret has to be set")
def test_the_secret_file_beside_the_database_seals_and_checks(
    tmp_path: Path,
) -> None:
    database = Database(tmp_path / "hookstream.db")
    own = {"BETTER_AUTH_SECRET": ""}
    for arguments in (
        ["init"],
        ["backup", str(tmp_path / "b.db")],
        ["restore", str(tmp_path / "b.db")],
    ):
        done = command(database, *arguments, **own)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr


def test_the_seal_is_in_no_live_database(database: Database, path: Path) -> None:
    restore(database, path)
    database.lose()
    command(database, "restore", str(path))
    assert "backup_seal" not in database.dump()


@pytest.mark.on_sqlite(reason="PostgreSQL's database is no file")
def test_a_backup_that_is_copied_over_the_database_brings_its_seal(
    database: Database, path: Path
) -> None:
    """A backup of that has its own."""
    database.lose()
    shutil.copy(path, database.path)
    again = backup(database, "again.db")
    restore(database, again)


# The log and the state


def test_a_key_that_its_own_log_calls_revoked_is_not_restored_as_valid(
    database: Database, tenant: Tenant
) -> None:
    created = create(database, tenant)
    answer(database, "keys", "revoke", created["id"], "--reason", "keyCompromise")
    (ended,) = database.execute(
        "select revoked_at, revocation_reason from api_key where id = ?", (created["id"],)
    )
    path = backup(database)
    edit(path, "update api_key set revoked_at = null, revocation_reason = null")
    database.lose()
    assert_refused(database, "restore", path, "the table api_key")
    _, warnings = unsealed(database, path)
    assert warnings[0] == "was changed since it was sealed: the table api_key"
    assert len(warnings) == 3
    assert f'api_key "{created["id"]}": revoked_at is null; by the log it is ' in warnings[1]
    assert code(database, created["key"]) == "REVOKED"
    assert database.execute(
        "select revoked_at, revocation_reason from api_key where id = ?", (created["id"],)
    ) == [ended]


def test_a_cancelled_secret_is_not_restored_as_pending(database: Database, tenant: Tenant) -> None:
    created = create(database, tenant)
    first = answer(database, "keys", "rotate", created["id"], "--grace-period", "0")
    answer(database, "keys", "rotate", created["id"], "--grace-period", "0")
    path = backup(database)
    edit(
        path,
        "update rotation set state = 'grace' where state = 'pending'",
        f"update rotation set state = 'pending' where id = '{first['rotation']['id']}'",
    )
    database.lose()
    unsealed(database, path)
    assert code(database, first["key"]) == "REVOKED"


def test_a_sealed_backup_of_a_database_that_its_log_denies_is_refused(
    database: Database, tenant: Tenant
) -> None:
    created = create(database, tenant)
    answer(database, "keys", "revoke", created["id"])
    edit(database.path, "update api_key set revoked_at = null")
    done = command(database, "backup", str(database.path.with_name("b.db")), "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["state_faults"] == 1
    assert done.stderr.startswith("WARNING: the database is not as its audit log says in 1 place, ")
    path = database.path.with_name("b.db")
    says = f'in 1 place, first api_key "{created["id"]}": revoked_at is null; by the log it is "'
    assert_refused(database, "restore", path, says)
    assert_refused(database, "restore", path, "run hookstream-keys audit verify --state")
    facts, (warning,) = unsealed(database, path)
    # The seal matches: the backup was not changed.
    assert facts["sealed"] is True
    assert warning.startswith("is not as its own audit log says: api_key ")
    assert code(database, created["key"]) == "REVOKED"


def test_the_first_faults_are_listed_and_the_others_counted(
    database: Database, tenant: Tenant
) -> None:
    for _ in range(12):
        create(database, tenant)
    path = backup(database)
    edit(path, "update api_key set scopes = 'x'")
    database.lose()
    _, warnings = unsealed(database, path)
    assert len(warnings) == 12
    assert warnings[-1] == "is not as its own audit log says in 3 places more"


# What holds also for one that is unsealed


@pytest.mark.parametrize("column", ["org_id", "env_id", "created_by", "created_at"])
def test_what_never_changes_is_not_changed_by_a_restore(
    database: Database, tenant: Tenant, column: str
) -> None:
    created = create(database, tenant)
    path = backup(database)
    other = {"org_id": database.add_organization(), "env_id": "x"}
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(
            f"insert into organization select '{other['org_id']}', 'n', 's2', null, '', null"
        )
        connection.execute(
            f"insert into environment select 'x', '{tenant.org_id}', 'n', 's', 'live', '', null"
        )
    edit(
        path,
        f"update api_key set {column} = '{other.get(column, 'x')}' where id = '{created['id']}'",
    )
    says = f"the api_key '{created['id']}' has another {column} in the backup than in the database"
    assert_refused(database, "restore", path, says, "--unsealed")


def test_the_secret_of_a_key_is_not_changed_by_a_restore(
    database: Database, tenant: Tenant
) -> None:
    created = create(database, tenant)
    path = backup(database)
    edit(
        path,
        "update api_key set digest = randomblob(32), prefix = 'hs_live_xxxx'"
        f" where id = '{created['id']}'",
    )
    unsealed(database, path)
    assert code(database, created["key"]) == "VALID"


#: A key with everything that another has, but for its id and its secret.
COPY = (
    "insert into api_key (id, digest, org_id, env_id, name, prefix, scopes, created_at)"
    " select 'new', {}, org_id, env_id, name, prefix, scopes, created_at from {} limit 1"
)


def test_a_key_that_was_put_into_a_backup_is_revoked(database: Database, tenant: Tenant) -> None:
    path = backup(database)
    edit(path, COPY.format("randomblob(32)", "api_key"))
    unsealed(database, path)
    assert database.execute("select revocation_reason from api_key where id = 'new'") == [
        ("cessationOfOperation",)
    ]


def test_a_secret_that_two_keys_have_is_refused(database: Database, tenant: Tenant) -> None:
    first = create(database, tenant)
    path = backup(database)
    answer(database, "keys", "revoke", first["id"])
    edit(
        path,
        f"update api_key set digest = randomblob(32) where id = '{first['id']}'",
    )
    ((digest,),) = database.execute("select digest from api_key where id = ?", (first["id"],))
    edit(path, COPY.format(f"x'{digest.hex()}'", f"api_key where id = '{first['id']}'"))
    assert_refused(database, "restore", path, "does not fit the database: UNIQUE", "--unsealed")


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        (
            "create trigger t after insert on api_key begin update api_key set scopes = '*'; end",
            "the trigger 't'",
        ),
        ("create view v as select 1", "the view 'v'"),
        ("create virtual table f using fts5 (x)", "the virtual table 'f'"),
        (
            "create trigger audit_log_no_delete before delete on audit_log begin select 1; end",
            "the trigger 'audit_log_no_delete'",
        ),
    ],
)
def test_code_in_a_backup_does_not_run(
    database: Database, path: Path, statement: str, what: str
) -> None:
    edit(path, "drop trigger audit_log_no_delete", statement)
    assert_refused(database, "restore", path, f"it has {what}, which this version", "--unsealed")
    database.lose()
    assert_refused(database, "restore", path, f"it has {what}, which this version", "--unsealed")


@pytest.mark.parametrize(
    "statement",
    [
        "alter table api_key add column more text",
        "alter table environment add column more text as (hex(id))",
        "alter table receipt rename to receipt_2",
        "create table other as select * from key_usage | drop table key_usage |"
        " alter table other rename to key_usage",
    ],
)
def test_a_table_that_is_another_is_refused(database: Database, path: Path, statement: str) -> None:
    edit(path, *statement.split(" | "))
    says = "is not as this version makes it"
    assert_refused(database, "restore", path, says, "--unsealed")
    database.lose()
    assert_refused(database, "restore", path, says, "--unsealed")


def test_tables_that_better_auth_s_plugins_make_come_back(database: Database, path: Path) -> None:
    edit(path, "create table passkey (id text)", "insert into passkey values ('p1')")
    database.lose()
    if ON_POSTGRESQL:
        # SQLite's types are not enough to make it there: better-auth does.
        says = "the file has a table passkey, which is not this project's: let the program"
        assert_refused(database, "restore", path, says, "--unsealed")
        edit(database.path, "create table passkey (id text)")
    restore(database, path, "--unsealed")
    assert database.execute("select id from passkey") == [("p1",)]


def test_columns_that_better_auth_s_plugins_add_come_back(
    database: Database, tenant: Tenant
) -> None:
    edit(database.path, 'alter table "organization" add column "plan" text')
    database.execute('update "organization" set "plan" = \'free\'')
    path = backup(database)
    database.execute('update "organization" set "plan" = \'enterprise\'')
    restore(database, path)
    assert database.execute('select "plan" from "organization"') == [("free",)]


@pytest.mark.on_sqlite(reason="a backup of PostgreSQL has no triggers but SQLite's")
def test_a_trigger_of_the_operator_is_sealed_with_the_rest(
    database: Database, tenant: Tenant
) -> None:
    edit(
        database.path,
        "create table seen (id)",
        "create trigger mine after insert on api_key begin insert into seen values (1); end",
    )
    create(database, tenant)
    path = backup(database)
    restore(database, path)
    database.lose()
    command(database, "restore", str(path))
    assert "CREATE TRIGGER mine" in database.dump()


@pytest.mark.on_sqlite(reason="PostgreSQL's audit log has no triggers")
def test_a_trigger_that_was_dropped_is_there_again(database: Database, path: Path) -> None:
    edit(path, "drop trigger audit_log_no_update", "drop trigger audit_log_no_delete")
    database.lose()
    unsealed(database, path)
    with pytest.raises(sqlite3.IntegrityError, match="only added to"):
        database.execute("delete from audit_log")


def test_files_beside_a_backup_are_not_part_of_it(database: Database, path: Path) -> None:
    for end in ("-wal", "-journal"):
        beside = Path(f"{path}{end}")
        beside.write_bytes(b"pages of another life")
        assert_refused(database, "restore", path, f"some of its changes are in {beside}")
        beside.unlink()
    assert restore(database, path)["sealed"] is True


def test_a_backup_may_be_named_by_a_link_and_is_nothing_but_a_file(
    database: Database, path: Path
) -> None:
    link = path.with_name("link.db")
    link.symlink_to(path)
    assert restore(database, link)["sealed"] is True
    os.mkfifo(path.with_name("pipe"))
    assert_refused(database, "restore", path.with_name("pipe"), "it is not a file")


def test_a_damaged_rule_gives_way_to_the_one_of_now(database: Database, tenant: Tenant) -> None:
    created = create(database, tenant, "--rate-limit", "10/60")
    path = backup(database)
    edit(path, "update api_key set rate_limit = 'unlimited' where rate_limit is not null")
    unsealed(database, path)
    assert database.execute("select rate_limit from api_key where id = ?", (created["id"],)) == [
        ("10/60",)
    ]
