"""The state after a prune: checked by the checkpoint that it left, or said not to be checked."""

import json
import time
from pathlib import Path

import pytest
from support import ON_POSTGRESQL, Database, Tenant, url_of
from support.backups import (
    answer,
    backup,
    change,
    command,
    create,
    edit,
    query_log,
    restore,
    time_of,
    verified,
)
from support.history import World

from hookstream_keys.cli.operations import operator_context
from hookstream_keys.handlers import audit
from hookstream_keys.store import open_store
from hookstream_keys.store.sqlite import audit_checkpoint, audit_prune

UNRECORDED_ROWS = "rows from before the first event that is known"
UNRECORDED_FIELDS = "fields that no known event tells"


def prune(database: Database, through: int | None = None) -> Path:
    """Prune the rows through this one, or all, to an archive."""
    moment = database.now()
    if through is not None:
        moment = time_of(database, through + 1)
    path = database.path.with_name(f"{through}-{time.monotonic_ns()}.jsonl")
    answer(database, "audit", "prune", "--before", moment, "--archive", str(path))
    return path


def prune_as_earlier(database: Database, through: int) -> Path:
    """The same, as by an earlier version, whose event has no state."""
    path = database.path.with_name(f"{through}.jsonl")
    moment = time_of(database, through + 1)
    store = open_store(url_of(database.path))
    call = operator_context(store)
    store.prune_audit_log(
        moment,
        path,
        lambda told: audit.log_pruned(
            call, {name: value for name, value in told.items() if name != "state"}
        ),
    )
    store.close()
    return path


def checkpoints(database: Database) -> list[str]:
    return [row[0] for row in database.execute("select distinct checkpoint from audit_checkpoint")]


def statuses(database: Database, *options: str) -> tuple[int, str]:
    """The exit status of `--state`, and the lines behind the first."""
    done = command(database, "audit", "verify", "--state", *options)
    return done.returncode, done.stdout.partition("\n")[2]


CHANGES = [
    "update api_key set revoked_at = null where id = '{revoked}'",
    "update api_key set scopes = '*' where id = '{rich}'",
    "update rotation set state = 'grace' where id = '{rotation_cancelled}'",
    "update environment set deleted_at = null where id = '{env_gone}'",
    "update \"member\" set role = 'owner' where id = '{member}'",
    "update \"organization\" set name = 'x' where id = '{org}'",
    "delete from api_key where id = '{rich}'",
    "delete from \"member\" where id = '{member}'",
    "insert into api_key (id, digest, org_id, env_id, name, prefix, scopes, created_at)"
    " values ('new', randomblob(32), '{org}', '{env}', 'n', 'hs_live_0000', '*', '2020')",
    "insert into \"member\" values ('new', '{org}', '{user}', 'owner', '2020-01-01')",
]


@pytest.mark.parametrize("statement", CHANGES)
def test_after_a_prune_every_change_is_detected_without_the_archive(
    world: World, statement: str
) -> None:
    before = verified(world.database, "--state")["state"]
    path = prune(world.database)
    assert world.database.count("audit_log") == 1
    assert verified(world.database, "--state")["state"] == before
    code, lines = statuses(world.database)
    assert (code, lines[:9]) == (0, "state ok,")
    world.edit(statement)
    found = world.faults()
    assert len(found) == 1
    # And the same with the archive.
    with_it = verified(world.database, "--state", "--archive", str(path))["state"]["faults"]
    assert [(each["kind"], each["id"], each["field"]) for each in with_it] == found


def test_wherever_it_is_cut_the_state_is_known(world: World, tmp_path: Path) -> None:
    whole = verified(world.database, "--state")["state"]
    # Some rows are of one moment: a cut is between moments.
    ends = query_log(world.database, "select max(seq) from audit_log group by created_at")
    for (through,) in sorted(ends)[:-1]:
        copy = Database(tmp_path / f"{through}.db")
        copy.copy_of(world.database)
        prune(copy, through)
        assert verified(copy, "--state")["state"] == whole, through


def test_prunes_one_after_another_and_what_happens_between_them(
    database: Database, tenant: Tenant
) -> None:
    first, second = (create(database, tenant)["id"] for _ in range(2))
    prune(database, 4)
    change(database, first, scopes="a:read")
    answer(database, "keys", "revoke", second)
    (name,) = checkpoints(database)
    prune(database, 6)
    # The one before is not needed any more.
    assert len(checkpoints(database)) == 1
    assert checkpoints(database) != [name]
    assert verified(database, "--state")["ok"]
    database.execute("update api_key set revoked_at = null, revocation_reason = null")
    found = verified(database, "--state")["state"]["faults"]
    assert {(each["id"], each["field"]) for each in found} == {
        (second, "revoked_at"),
        (second, "revocation_reason"),
    }


def test_what_was_removed_or_has_ended_and_is_gone_may_not_come_back(world: World) -> None:
    row = world.database.row_of("api_key", world.ids["revoked"])
    world.edit(f"delete from api_key where id = '{world.ids['revoked']}'")
    prune(world.database)
    assert world.faults() == []
    world.database.insert("api_key", row | {"revoked_at": None, "revocation_reason": None})
    assert world.faults() == [("api_key", world.ids["revoked"], "row")]
    # Of a deleted row the checkpoint has only the id.
    kept = world.database.execute(
        "select fields from audit_checkpoint where id = ?", (world.ids["revoked"],)
    )
    assert kept == [("{}",)]


@pytest.mark.parametrize(
    "statement",
    [
        "update audit_checkpoint set fields = replace(fields, 'events:read', '*')",
        "update audit_checkpoint set presence = 1 where id = '{rich}'",
        "delete from audit_checkpoint where id = '{rich}'",
        "insert into audit_checkpoint select checkpoint, kind, 'new', org_id, presence, since,"
        " is_complete, fields from audit_checkpoint where id = '{rich}'",
        "delete from audit_checkpoint",
    ],
)
def test_a_changed_checkpoint_is_detected_and_not_used(world: World, statement: str) -> None:
    path = prune(world.database)
    edit(
        world.database.path,
        "update api_key set scopes = '*' where id = '{rich}'".format(**world.ids),
        statement.format(**world.ids),
    )
    found = verified(world.database, "--state")
    assert (found["ok"], found["state"]["complete"]) == (False, False)
    assert {each["kind"] for each in found["state"]["faults"]} == {"audit_checkpoint"}
    assert "api_key" in {each["field"] for each in found["state"]["faults"]}
    code, lines = statuses(world.database)
    assert code == 1
    assert lines.startswith('audit_checkpoint "')
    assert "\nincomplete: " in lines
    # It is not needed where all events are known.
    (fault,) = verified(world.database, "--state", "--archive", str(path))["state"]["faults"]
    assert (fault["id"], fault["field"]) == (world.ids["rich"], "scopes")
    # And nothing more is pruned on its ground.
    create(world.database, world.tenant)
    done = command(
        world.database, "audit", "prune", "--before", world.database.now(), "--no-archive"
    )
    assert done.returncode == 1
    assert "run hookstream-keys audit verify --state" in done.stderr


def test_a_prune_by_an_earlier_version_makes_the_check_incomplete(
    database: Database, tenant: Tenant
) -> None:
    keys = [create(database, tenant)["id"] for _ in range(3)]
    change(database, keys[0], scopes="a:read")
    path = str(prune_as_earlier(database, 5))
    # Without an event that vouches for it a checkpoint counts for nothing.
    assert len(checkpoints(database)) == 1
    whole = verified(database, "--state", "--archive", path)
    assert (whole["ok"], whole["state"]["complete"], whole["state"]["unchecked"]) == (
        True, True, {},
    )  # fmt: skip
    found = verified(database, "--state")
    assert (found["ok"], found["state"]["ok"], found["state"]["complete"]) == (False, True, False)
    counted = found["state"]["unchecked"]
    assert counted[UNRECORDED_ROWS] == 3
    # A key whose creation is not known, and its change is.
    assert counted[UNRECORDED_FIELDS] > 10
    rows = sum(counted.values()) - counted[UNRECORDED_FIELDS]
    code, lines = statuses(database)
    assert code == 3
    assert lines.startswith(
        f"incomplete: {rows} rows and {counted[UNRECORDED_FIELDS]} fields were not checked, and "
        "rows that are gone were not missed, since what the log said of them was pruned; give the "
        "archive, with --archive\n"
    )
    assert "state ok" not in lines
    assert statuses(database, "--archive", path)[0] == 0
    edit(database.path, "update api_key set scopes = '*', name = 'x'")
    faults = verified(database, "--state")["state"]["faults"]
    # Of the first key its change is known, of the last that it was made.
    assert {(each["id"], each["field"]) for each in faults} == {
        (keys[0], "scopes"),
        (keys[2], "name"),
    }
    assert statuses(database)[0] == 1
    assert len(verified(database, "--state", "--archive", path)["state"]["faults"]) == 5


def test_a_prune_after_one_by_an_earlier_version_knows_what_it_does_not_know(
    database: Database, tenant: Tenant
) -> None:
    first, second, third = (create(database, tenant)["id"] for _ in range(3))
    prune_as_earlier(database, 4)
    before = verified(database, "--state")["state"]
    prune(database)
    found = verified(database, "--state")
    assert (found["ok"], found["state"]) == (False, before)
    assert statuses(database)[0] == 3
    database.execute("update api_key set name = 'x'")
    faults = verified(database, "--state")["state"]["faults"]
    assert {each["id"] for each in faults} == {second, third}
    assert first not in {each["id"] for each in faults}


def test_a_backup_that_cannot_be_checked_and_its_restore_say_so(
    database: Database, tenant: Tenant
) -> None:
    for _ in range(3):
        create(database, tenant)
    prune_as_earlier(database, 4)
    path = database.path.with_name("b.db")
    done = command(database, "backup", str(path))
    assert done.returncode == 0
    says = "WARNING: the database was compared with its audit log in part only, since rows"
    assert done.stderr.startswith(says)
    done = command(database, "restore", str(path))
    assert done.returncode == 0
    assert done.stderr.startswith(f"WARNING: {path} was compared with its own audit log in part")
    assert "\nsealed                           True\n" in done.stdout


def test_a_missing_row_is_not_reported_where_the_check_is_incomplete(
    database: Database, tenant: Tenant
) -> None:
    key = create(database, tenant)["id"]
    create(database, tenant)
    path = str(prune_as_earlier(database, 4))
    database.execute("delete from api_key where id = ?", (key,))
    assert statuses(database)[0] == 3
    assert statuses(database, "--archive", path)[0] == 1


@pytest.mark.on_sqlite(reason="PostgreSQL prunes in one transaction")
def test_an_interrupted_prune_has_its_checkpoint_and_the_rows_that_it_knows(
    database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_: float) -> None:
        raise KeyboardInterrupt

    key = create(database, tenant)
    answer(database, "keys", "rotate", key["id"], "--grace-period", "0")
    answer(database, "keys", "rotate", key["id"], "--grace-period", "0")
    moment = time_of(database, 6)
    with monkeypatch.context() as patch:
        patch.setattr(audit_prune, "BATCH", 2)
        patch.setattr(time, "sleep", stop)
        done = command(database, "audit", "prune", "--before", moment, "--no-archive")
    assert done.returncode == 1
    seqs = [row[0] for row in database.execute("select seq from audit_log order by seq")]
    assert seqs == [3, 4, 5, 6, 7]
    assert verified(database, "--state")["ok"]
    database.execute("update rotation set state = 'grace' where state = 'cancelled'")
    assert not verified(database, "--state")["ok"]


def test_many_rows_are_stored_and_deleted_in_short_transactions(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = verified(world.database, "--state")["state"]
    monkeypatch.setattr(audit_checkpoint, "BATCH", 2)
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    prune(world.database, 20)
    assert len(pauses) > 3
    prune(world.database)
    assert len(checkpoints(world.database)) == 1
    assert verified(world.database, "--state")["state"] == whole


def test_a_prune_that_another_one_overtakes_leaves_its_checkpoint_alone(
    database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        create(database, tenant)
    store = audit_checkpoint.store

    def store_late(*arguments: object) -> object:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(audit_checkpoint, "store", store)
            prune(database, 4)
        return store(*arguments)  # type: ignore[arg-type] # handed through

    monkeypatch.setattr(audit_checkpoint, "store", store_late)
    done = command(database, "audit", "prune", "--before", database.now(), "--no-archive")
    monkeypatch.undo()
    assert "another prune is running" in done.stderr
    assert verified(database, "--state")["ok"]
    # What the one that was refused had stored goes with the next; PostgreSQL stores it at the end.
    assert len(checkpoints(database)) == (1 if ON_POSTGRESQL else 2)
    prune(database, 5)
    assert len(checkpoints(database)) == 1


def test_a_backup_has_the_checkpoint_and_is_checked_by_it(
    database: Database, tenant: Tenant
) -> None:
    created = create(database, tenant)
    answer(database, "keys", "revoke", created["id"])
    prune(database)
    path = backup(database)
    assert restore(database, path)["sealed"] is True
    edit(path, "update api_key set revoked_at = null, revocation_reason = null")
    database.lose()
    done = command(database, "restore", str(path), "--unsealed", "--json")
    assert len(json.loads(done.stdout)["warnings"]) == 3
    # What the log called revoked, before its rows were pruned, is revoked.
    query = "select revoked_at is not null from api_key where id = ?"
    assert database.execute(query, (created["id"],)) == [(True,)]
