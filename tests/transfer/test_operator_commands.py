"""Backups, restores, the audit log's checks and its pruning on PostgreSQL.

tests/cli has what these commands do, on a file. Here they work on a file of the database.
"""

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support import Database, Tenant, run, serving, url_of
from support.backups import (
    answer,
    assert_refused,
    backup,
    begin_to_seal,
    change,
    code,
    command,
    create,
    edit,
    restore,
    run_here,
    verified,
)
from support.postgresql import database_at

from hookstream_keys.cli.operations import ask
from hookstream_keys.store import open_store
from hookstream_keys.store.postgresql.transfer import differences, into_file, into_postgresql


@pytest.fixture
def tenant(database: Database) -> Tenant:
    return database.init()


@pytest.fixture
def another(database: Database, tenant: Tenant) -> dict[str, Any]:
    """A second organization with a key: its events are a chain of its own."""
    owner = {"Authorization": f"Bearer {database.add_session(tenant.user_id)}"}
    with serving(database) as server:
        body = {"name": "Second", "slug": "second"}
        made = server.request("POST", "/organizations", json=body, headers=owner).json()
        org_id = made["organization"]["id"]
        body = {"org_id": org_id, "name": "Live", "slug": "live", "mode": "live"}
        made = server.request("POST", "/environments", json=body, headers=owner).json()
        body = {"org_id": org_id, "env_id": made["environment"]["id"], "name": "n"}
        key: dict[str, Any] = server.request(
            "POST", "/auth/api-keys", json=body, headers=owner
        ).json()
    return key | {"org_id": org_id, "env_id": body["env_id"]}


def in_operation(database: Database, operation: str, body: Any = None, **values: str) -> Any:
    store = open_store(url_of(database.path))
    try:
        return ask(store, operation, body, **values)
    finally:
        store.close()


def test_what_was_ended_since_stays_ended_in_every_organization(
    database: Database, tenant: Tenant, another: dict[str, Any]
) -> None:
    first = create(database, tenant)
    rotated = create(database, tenant)
    path = backup(database)
    heads = verified(database)["head"]
    answer(database, "keys", "revoke", first["id"])
    change(database, another["id"], enabled=False)
    new = answer(database, "keys", "rotate", rotated["id"], "--grace-period", "60")["key"]
    later = create(database, tenant)
    rehearsed = restore(database, path, "--dry-run")
    found = restore(database, path)
    assert rehearsed["changes"] == found["changes"]
    assert found["preserved"]["keys_revoked"] == 1
    assert found["changes"]["api_key.removed"] == 1
    secrets = (first["key"], another["key"], later["key"], new, tenant.key)
    assert [code(database, secret) for secret in secrets] == [
        "REVOKED",
        "DISABLED",
        "NOT_FOUND",
        "VALID",
        "VALID",
    ]
    assert verified(database, "--state", "--since-head", heads)["ok"]
    # And again: the log that it has become contains the backup's.
    assert restore(database, path)["changes"]["api_key.removed"] == 0


def test_an_environment_that_was_deleted_is_back_with_its_keys_revoked(
    database: Database, tenant: Tenant, another: dict[str, Any]
) -> None:
    path = backup(database)
    in_operation(database, "deleteEnvironment", id=another["env_id"])
    restore(database, path)
    assert code(database, another["key"]) == "REVOKED"
    found = in_operation(database, "getEnvironment", id=another["env_id"])
    assert found["environment"]["slug"] == "live"


def test_two_organizations_that_have_exchanged_their_slugs(
    database: Database, tenant: Tenant, another: dict[str, Any]
) -> None:
    path = backup(database)
    before = dict(database.execute("select id, slug from organization"))
    for org_id, slug in (
        (tenant.org_id, "other"),
        (another["org_id"], before[tenant.org_id]),
        (tenant.org_id, "second"),
    ):
        in_operation(database, "updateOrganization", {"slug": slug}, id=org_id)
    restore(database, path)
    assert dict(database.execute("select id, slug from organization")) == before


def test_a_write_during_a_restore_waits_and_is_kept(
    database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = backup(database)
    made: list[Any] = []
    ordinary = differences.apply

    def create_meanwhile(*arguments: Any) -> None:
        # Nothing else can write now: the statement ends with its lock timeout.
        done = command(database, "keys", "create", "--name", "m", "--org", tenant.org_id,
                       "--env", tenant.env_id)  # fmt: skip
        made.append(done.returncode)
        ordinary(*arguments)

    monkeypatch.setattr(differences, "apply", create_meanwhile)
    restore(database, path)
    assert made == [1]
    assert code(database, create(database, tenant)["key"]) == "VALID"


def test_a_backup_becomes_a_database_of_either_engine(
    database: Database, tenant: Tenant, another: dict[str, Any], tmp_path: Path
) -> None:
    path = backup(database)
    empty = Database(tmp_path / "empty.db")
    database_at(empty.path)
    assert restore(empty, path)["compared"] is False
    assert code(empty, another["key"]) == "VALID"
    file = f"sqlite:///{tmp_path / 'file.db'}"
    assert run_here("restore", str(path), "--database", file).returncode == 0
    done = run_here("keys", "verify", "--json", "--database", file, stdin=another["key"])
    assert json.loads(done.stdout)["code"] == "VALID"
    for target in (file, url_of(empty.path)):
        done = run_here("audit", "verify", "--state", "--database", target)
        assert done.returncode == 0, done.stdout


def test_a_backup_is_restored_into_a_database_on_which_a_server_ran(
    database: Database, tenant: Tenant, tmp_path: Path
) -> None:
    path = backup(database)
    empty = Database(tmp_path / "empty.db")
    database_at(empty.path)
    begin_to_seal(empty)
    restore(empty, path)
    assert code(empty, tenant.key) == "VALID"


def test_a_restore_into_an_empty_database_that_was_interrupted_is_repeated(
    database: Database, tenant: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    path = backup(database)
    empty = Database(tmp_path / "empty.db")
    database_at(empty.path)
    with monkeypatch.context() as patched:
        patched.setattr(into_postgresql, "end", interrupt)
        assert command(empty, "restore", str(path)).returncode != 0
    assert "has not finished" in command(empty, "orgs", "list").stderr
    restore(empty, path)
    assert code(empty, tenant.key) == "VALID"


def test_without_room_for_a_copy_it_says_where(
    database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(into_file, "write", fail)
    done = command(database, "audit", "verify", "--state")
    assert done.returncode == 1
    assert "let TMPDIR name a folder with more room" in done.stderr
    del tenant


def test_a_backup_of_the_file_that_was_moved_is_restored(
    database: Database, tmp_path: Path
) -> None:
    file = tmp_path / "moved.db"
    url = f"sqlite:///{file}"
    facts = json.loads(run_here("init", "--json", "--database", url).stdout)
    path = tmp_path / "of-file.db"
    assert run_here("backup", str(path), "--database", url).returncode == 0
    database_at(database.path)
    assert run_here("migrate-store", url, url_of(database.path)).returncode == 0
    answer(database, "keys", "revoke", in_operation(
        database, "listApiKeys", org_id=facts["org_id"])["api_keys"][0]["id"])  # fmt: skip
    assert restore(database, path)["preserved"]["keys_revoked"] == 1
    assert code(database, facts["key"]) == "REVOKED"


def test_backups_that_are_not_of_this_database(
    database: Database, tenant: Tenant, tmp_path: Path
) -> None:
    another = Database(tmp_path / "another.db")
    another.run_init()
    path = tmp_path / "of-another.db"
    assert command(another, "backup", str(path)).returncode == 0
    says = "not one of this database, in PostgreSQL, whose audit log does not contain its last row"
    assert_refused(database, "restore", path, says)
    assert_refused(database, "restore", path, "restore it into a new, empty database")
    (tmp_path / "text").write_text("no backup", encoding="utf-8")
    assert_refused(database, "restore", tmp_path / "text", "no sound backup")
    changed = backup(database)
    edit(changed, "update api_key set name = 'x'")
    assert_refused(database, "restore", changed, "was changed since it was sealed")
    del tenant


@pytest.mark.parametrize(
    ("statement", "field"),
    [
        ("update api_key set revoked_at = null where id = '{id}'", "revoked_at"),
        ("update api_key set scopes = 'a:b' where id = '{id}'", "scopes"),
        (
            "update api_key set digest = decode(repeat('00', 32), 'hex') where id = '{id}'",
            "secret_fingerprint",
        ),
    ],
)
def test_a_change_without_an_event_is_reported(
    database: Database, tenant: Tenant, statement: str, field: str
) -> None:
    made = create(database, tenant)
    answer(database, "keys", "revoke", made["id"])
    assert verified(database, "--state")["ok"]
    database.execute(statement.format(id=made["id"]))
    found = verified(database, "--state")
    assert [(each["id"], each["field"]) for each in found["state"]["faults"]] == [
        (made["id"], field)
    ]


def test_a_member_that_better_auth_changed_is_accepted(database: Database, tenant: Tenant) -> None:
    database.execute("update \"member\" set role = 'admin'")
    assert command(database, "audit", "accept").returncode == 1
    assert not verified(database, "--state")["ok"]
    assert command(database, "audit", "accept", "--yes").returncode == 0
    assert verified(database, "--state")["ok"]
    ((details,),) = database.execute(
        "select details from audit_log where action = 'member.updated'"
    )
    assert json.loads(details)["accepted"]
    del tenant


@pytest.fixture
def old(database: Database, tenant: Tenant, another: dict[str, Any]) -> str:
    """The moment before which the rows so far were written."""
    ((latest,),) = database.execute("select max(created_at) from audit_log")
    while (now := database.now()) <= latest:
        pass
    create(database, tenant)
    return now


def prune(database: Database, before: str, *options: str) -> dict[str, Any]:
    done = command(database, "audit", "prune", "--before", before, "--json", *options)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_pruned_rows_are_in_the_archive_and_the_rest_is_verifiable(
    database: Database, tenant: Tenant, another: dict[str, Any], old: str, tmp_path: Path
) -> None:
    kept = verified(database)
    archive = tmp_path / "archive"
    done = prune(database, old, "--archive", str(archive))
    assert done["rows"] == kept["rows"] - 1
    found = verified(database, "--state", "--since-head", kept["head"])
    assert (found["ok"], found["rows"], found["pruned"]) == (True, 2, done["rows"])
    whole = verified(database, "--state", "--archive", str(archive))
    assert (whole["ok"], whole["rows"]) == (True, kept["rows"] + 1)
    assert verified(database, "--archive", str(archive))["ok"]
    for more in ([], ["--state"]):
        heads = f"{kept['head']} {'f' * 64}"
        assert not verified(database, "--since-head", heads, "--archive", str(archive), *more)["ok"]
    # A second prune continues the first one, as do its archives.
    answer(database, "keys", "revoke", another["id"])
    second = tmp_path / "second"
    prune(database, database.now(), "--archive", str(second))
    both = verified(database, "--state", "--archive", str(archive), "--archive", str(second))
    assert both["ok"], both
    # A backup has what was pruned as its checkpoint.
    path = backup(database)
    create(database, tenant)
    restore(database, path)
    assert code(database, another["key"]) == "REVOKED"


@pytest.mark.parametrize(
    "harm",
    [
        "update audit_anchor set seq = 1",
        "update audit_anchor set hash = repeat('a', 64)",
        "delete from audit_anchor",
        "delete from audit_trunk",
        "update audit_trunk set hash = repeat('a', 64)",
    ],
)
def test_a_changed_beginning_of_the_chains_is_found(
    database: Database, tenant: Tenant, harm: str
) -> None:
    assert verified(database)["ok"]
    database.execute(harm)
    assert not verified(database)["ok"]
    del tenant


@pytest.mark.parametrize(
    "harm",
    [
        "delete from audit_chain_anchor",
        "update audit_chain_anchor set seq = seq + 1",
        "delete from audit_log where action = 'audit_log.pruned'",
        "update audit_anchor set seq = 0, hash = repeat('0', 64)",
        "update audit_anchor set seq = seq + 1",
        "delete from audit_anchor",
        "delete from audit_trunk",
        "update audit_trunk set hash = repeat('a', 64)",
        "delete from audit_log where org_id <> ''",
    ],
)
def test_rows_that_were_removed_as_if_pruned_are_found(
    database: Database, old: str, harm: str
) -> None:
    prune(database, old, "--no-archive")
    assert verified(database)["ok"]
    database.execute(harm)
    assert not verified(database)["ok"]


def test_a_backup_of_a_pruned_log_begins_another_database(
    database: Database, tenant: Tenant, old: str, tmp_path: Path
) -> None:
    """The chains of one become the trunk of the next, whose prunes are recorded there."""
    prune(database, old, "--no-archive")
    last = database
    for number in range(3):
        path = backup(last, f"{number}.backup")
        last = Database(tmp_path / f"{number}.db")
        database_at(last.path)
        restore(last, path)
        create(last, tenant)
        moment = last.now()
        create(last, tenant)
        prune(last, moment, "--no-archive")
        assert verified(last, "--state")["ok"]


def test_one_of_two_prunes_at_once_removes_the_rows(database: Database, old: str) -> None:
    def prune_too(_: int) -> int:
        options = ("--before", old, "--no-archive")
        return run("audit", "prune", *options, database=database.path).returncode

    with ThreadPoolExecutor(2) as threads:
        done = sorted(threads.map(prune_too, range(2)))
    # The other one found nothing older, or that it is not the only one.
    assert done in ([0, 0], [0, 1])
    assert verified(database, "--state")["ok"]
    ((prunes,),) = database.execute(
        "select count(*) from audit_log where action = 'audit_log.pruned'"
    )
    assert prunes == 1
