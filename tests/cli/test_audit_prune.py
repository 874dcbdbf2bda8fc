"""`hookstream-keys audit prune`: the oldest rows go, and everything stays verifiable."""

import json
import os
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from support import COMMAND, ON_POSTGRESQL, Database, Tenant, environment, serving
from support.backups import (
    answer,
    assert_refused,
    backup,
    command,
    create,
    edit,
    init,
    query_log,
    restore,
    time_of,
    verified,
)
from support.bulk import add_keys

from hookstream_keys.store import archive, chain
from hookstream_keys.store.sqlite import audit_prune


@pytest.fixture
def keys(database: Database, tenant: Tenant) -> list[str]:
    """Three keys: the rows 4 to 6, after those of init."""
    return [create(database, tenant)["id"] for _ in range(3)]


def tenant_of(database: Database) -> Tenant:
    """Where keys can be made."""
    ((org_id, env_id),) = database.execute("select org_id, id from environment")
    return Tenant(org_id, env_id, user_id="", email="", password="", key="")


def prune(database: Database, through: int, *options: str) -> dict[str, Any]:
    """Prune the rows through this one, to a file of that name or to none."""
    moment = time_of(database, through + 1)
    to = options or ("--archive", str(archive_of(database, through)))
    return answer(database, "audit", "prune", "--before", moment, *to)


def archive_of(database: Database, through: int) -> Path:
    return database.path.with_name(f"{through}.jsonl")


def seqs(database: Database) -> list[int]:
    return [row[0] for row in query_log(database, "select seq from audit_log order by seq")]


def test_the_oldest_rows_go_to_a_file_and_the_log_says_so(
    database: Database, keys: list[str]
) -> None:
    before = verified(database)
    rows = query_log(database, "select * from audit_log where seq <= 4 order by seq")
    pruned = prune(database, 4)
    path = archive_of(database, 4)
    assert pruned == {"rows": 4, "through_seq": 4, "hash": rows[3][-1], "until": rows[3][-2],
                      "archive": str(path)}  # fmt: skip
    assert seqs(database) == [5, 6, 7]
    archived = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    names = [row[1] for row in query_log(database, "pragma table_info(audit_log)")]
    assert archived == [dict(zip(names, row, strict=True)) for row in rows]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = verified(database)
    assert found == {"ok": True, "rows": 3, "pruned": 4, "head": found["head"]}
    done = command(database, "audit", "verify")
    assert done.stdout == f"ok, 3 rows, head {found['head']}, after 4 that were pruned\n"
    ((action, org_id, details, user, key),) = database.execute(
        "select action, org_id, details, user_id, api_key_id from audit_log where request_id = ?",
        query_log(database, "select request_id from audit_log where seq = 7")[0],
    )
    assert (action, org_id, user, key) == ("audit_log.pruned", "", None, None)
    told = json.loads(details)
    assert told.pop("state").keys() == {"checkpoint", "sha256", "unknown_until"}
    if ON_POSTGRESQL:
        # Where the organizations' chains begin now.
        assert told.pop("chains")
    assert told == {
        "rows": 4,
        "through_seq": 4,
        "hash": rows[3][-1],
        "until": rows[3][-2],
        "before": time_of(database, 5),
    }
    # Every head that was kept is still proved: with the archive, or by the rows that are left.
    assert verified(database, "--since-head", before["head"])["ok"]
    assert verified(database, "--since-head", rows[3][-1])["ok"]
    missing = verified(database, "--since-head", rows[2][-1])
    assert (missing["ok"], missing["problem"]) == (False, "head")
    assert "give the archive as well, with --archive" in missing["message"]
    whole = verified(database, "--since-head", rows[2][-1], "--archive", str(path))
    assert whole == {"ok": True, "rows": 7, "head": found["head"]}


def test_several_archives_and_the_log_are_one_chain(database: Database, keys: list[str]) -> None:
    prune(database, 3)
    prune(database, 5)
    assert seqs(database) == [6, 7, 8]
    files = [str(archive_of(database, through)) for through in (5, 3)]
    whole = verified(database, "--archive", files[0], "--archive", files[1])
    assert whole == {"ok": True, "rows": 8, "head": verified(database)["head"]}
    missing = verified(database, "--archive", files[0])
    assert (missing["problem"], missing["seq"]) == ("removed", 1)
    assert missing["message"] == "in the archives: rows 1 to 3 are missing"
    missing = verified(database, "--archive", files[1])
    assert (missing["problem"], missing["seq"]) == ("removed", 4)
    assert missing["message"] == "in the archives: rows 4 to 5 are in none that was given"


def test_the_log_goes_on_after_a_prune(database: Database, tenant: Tenant) -> None:
    create(database, tenant)
    prune(database, 3)
    with serving(database) as server:
        owner = {"Authorization": f"Bearer {database.add_session(tenant.user_id)}"}
        page = server.request("GET", "/audit-log", headers=owner).json()
        # What is one for all organizations is shown to none.
        assert [each["action"] for each in page["audit_log"]] == ["api_key.created"]
        body = {"name": "n", "org_id": tenant.org_id, "env_id": tenant.env_id}
        assert server.request("POST", "/auth/api-keys", headers=owner, json=body).is_success
    assert verified(database)["ok"]


def test_a_cursor_whose_row_was_pruned_ends_the_log(database: Database, keys: list[str]) -> None:
    tenant = database.execute("select id from organization")[0][0]
    user = database.execute('select id from "user"')[0][0]
    with serving(database) as server:
        owner = {"Authorization": f"Bearer {database.add_session(user)}"}
        path = f"/audit-log?org_id={tenant}&limit=2"
        first = server.request("GET", path, headers=owner).json()
        second = server.request("GET", f"{path}&cursor={first['next_cursor']}", headers=owner)
        last = server.request("GET", f"{path}&cursor={second.json()['next_cursor']}", headers=owner)
        assert last.json()["has_more"] is False
        prune(database, 4)
        # The row that the second page ended with is gone, and so is all that was behind it.
        again = server.request(
            "GET", f"{path}&cursor={second.json()['next_cursor']}", headers=owner
        )
        assert again.status_code == 200
        assert again.json() == {
            "audit_log": [],
            "cursor": None,
            "next_cursor": None,
            "has_more": False,
        }
        left = server.request("GET", f"{path}&cursor={first['next_cursor']}", headers=owner).json()
        assert (left["audit_log"], left["has_more"]) == ([], False)


def test_nothing_older_is_no_error(database: Database, tenant: Tenant) -> None:
    before = database.dump()
    done = command(database, "audit", "prune", "--before", "2020-01-01", "--no-archive", "--json")
    assert (done.returncode, json.loads(done.stdout)["rows"]) == (0, 0)
    assert done.stderr == "No row of the log is older; nothing was changed.\n"
    assert database.dump() == before


def test_all_rows_may_go(database: Database, keys: list[str]) -> None:
    moment = database.now()
    pruned = answer(database, "audit", "prune", "--before", moment, "--no-archive")
    assert (pruned["rows"], pruned["archive"]) == (6, None)
    assert seqs(database) == [7]
    assert verified(database)["ok"]
    create(database, tenant_of(database))
    assert verified(database)["ok"]


def test_only_a_prefix_goes_also_where_a_clock_was_set(database: Database, keys: list[str]) -> None:
    edit(
        database.path,
        "drop trigger audit_log_no_update",
        "update audit_log set created_at = '2020-01-01T00:00:00.000Z' where seq in (1, 2, 5)",
    )
    rechain(database)
    answer(database, "audit", "prune", "--before", "2021-01-01", "--no-archive")
    assert seqs(database) == [3, 4, 5, 6, 7]


def rechain(database: Database) -> None:
    """Make every hash of the one chain anew, as only an operator with the database can."""
    previous, columns = chain.GENESIS, ", ".join(chain.COLUMNS)
    for row in database.execute(f"select {columns} from audit_log order by seq"):
        previous = chain.entry_hash(previous, dict(zip(chain.COLUMNS, row, strict=True)))
        database.execute("update audit_log set hash = ? where seq = ?", (previous.hex(), row[0]))
        database.execute("update audit_head set hash = ? where seq > 0", (previous.hex(),))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--before", "2020-01-01"], "give either --archive FILE"),
        (["--before", "2020-01-01", "--archive", "x", "--no-archive"], "give either --archive"),
        (["--archive", "x"], "missing option '--before'"),
        (["--no-archive", "--before", "yesterday"], "is not a time: give a date, 2026-01-31, or"),
        (["--no-archive", "--before", "2020-01-01T00:00:00"], "with Z or an offset from UTC"),
        (["--no-archive", "--before", "2020-02-30"], "is not a time: give a date"),
        (["--no-archive", "--before", "2999-01-01"], "is in the future"),
    ],
)
def test_invalid_options_are_usage_errors(
    database: Database, tenant: Tenant, options: list[str], says: str
) -> None:
    before = database.dump()
    done = command(database, "audit", "prune", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in " ".join(done.stderr.split())
    assert database.dump() == before


@pytest.mark.parametrize(
    "text",
    [
        "2020-06-01",
        "2020-06-01T00:00:00Z",
        "2020-05-31t23:59:60z",
        "2020-06-01T02:00:00.000000123+02:00",
    ],
)
def test_a_time_is_read_in_every_form(database: Database, tenant: Tenant, text: str) -> None:
    edit(
        database.path,
        "drop trigger audit_log_no_update",
        "update audit_log set created_at = '2020-05-31T23:59:59.999Z' where seq = 1",
        "update audit_log set created_at = '2020-06-01T00:00:00.000Z' where seq = 2",
    )
    rechain(database)
    answer(database, "audit", "prune", "--before", text, "--no-archive")
    assert seqs(database) == [2, 3, 4]


def test_a_file_that_is_there_is_not_overwritten(database: Database, keys: list[str]) -> None:
    path = database.path.with_name("there")
    path.write_text("mine")
    options = ("--before", time_of(database, 5), "--archive")
    done = command(database, "audit", "prune", *options, str(path))
    assert done.stderr == f"hookstream-keys: {path} exists; it is not overwritten\n"
    assert (path.read_text(), seqs(database)) == ("mine", [1, 2, 3, 4, 5, 6])
    link = path.with_name("link")
    link.symlink_to(path.with_name("nowhere"))
    assert command(database, "audit", "prune", *options, str(link)).returncode == 1
    assert command(database, "audit", "prune", *options, str(path / "x")).returncode == 1
    assert seqs(database) == [1, 2, 3, 4, 5, 6]
    assert not list(path.parent.glob(".*"))


def test_a_log_that_was_changed_is_not_pruned(database: Database, keys: list[str]) -> None:
    edit(
        database.path,
        "drop trigger audit_log_no_update",
        "update audit_log set ip_address = '203.0.113.9' where seq = 2",
    )
    before = database.dump()
    done = command(database, "audit", "prune", "--before", time_of(database, 5), "--no-archive")
    assert done.returncode == 1
    assert "the audit log is not as it was written, and is left as it is" in done.stderr
    assert database.dump() == before


@pytest.mark.on_sqlite(reason="PostgreSQL's audit log has no triggers")
def test_the_triggers_are_there_again(database: Database, keys: list[str]) -> None:
    statement = "select name, sql from sqlite_master where type = 'trigger' order by name"
    before = database.execute(statement)
    prune(database, 4)
    assert database.execute(statement) == before
    assert len(before) == 2


# What an attacker with the file can do


def hide(database: Database, through: int) -> None:
    """Remove rows as a prune does, without its event."""
    # Of the tenant's chain, where it is not the only one.
    ((org_id, entry_hash),) = database.execute(
        "select org_id, hash from audit_log where seq = ? and org_id <> ''", (through,)
    )
    edit(
        database.path,
        "drop trigger if exists audit_log_no_delete",
        f"delete from audit_log where seq <= {through} and org_id = '{org_id}'",
        f"update audit_anchor set seq = {through}, hash = '{entry_hash}'",
    )
    if ON_POSTGRESQL:
        database.execute(
            "insert into audit_chain_anchor (org_id, seq, hash) values (?, ?, ?)"
            " on conflict (org_id) do update set seq = excluded.seq, hash = excluded.hash",
            (org_id, through, entry_hash),
        )


def test_rows_removed_as_if_pruned_are_detected(database: Database, keys: list[str]) -> None:
    hide(database, 2)
    found = verified(database)
    assert (found["problem"], found["seq"]) == ("removed", 1)
    # PostgreSQL's message is of one organization's rows.
    pruned = "they were" if ON_POSTGRESQL else "the log was"
    assert found["message"] == f"rows 1 to 2 are missing, and no row says that {pruned} pruned"


def test_removing_more_rows_than_were_pruned_is_detected(
    database: Database, keys: list[str]
) -> None:
    prune(database, 3)
    hide(database, 4)
    assert verified(database)["problem"] == "removed"


def test_an_anchor_that_is_another_is_found(database: Database, keys: list[str]) -> None:
    prune(database, 3)
    for statement in (
        "update audit_anchor set seq = 1",
        f"update audit_anchor set hash = '{'0' * 64}'",
        f"update audit_anchor set hash = '{'x' * 64}'",
        "delete from audit_anchor",
    ):
        kept = database.execute("select * from audit_anchor")
        database.execute(statement)
        assert verified(database)["ok"] is False
        database.execute("delete from audit_anchor")
        database.execute("insert into audit_anchor values (?, ?, ?)", kept[0])
    assert verified(database)["ok"] is True


@pytest.mark.parametrize("seq", [1, 2, 4])
def test_a_changed_archive_is_detected(database: Database, keys: list[str], seq: int) -> None:
    prune(database, 4)
    path = archive_of(database, 4)
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[: seq - 1] + lines[seq:]), encoding="utf-8")
    found = verified(database, "--archive", str(path))
    assert (found["problem"], found["seq"]) == ("removed", seq)
    lines[seq - 1] = lines[seq - 1].replace('"ip_address":null', '"ip_address":"203.0.113.9"')
    path.write_text("".join(lines), encoding="utf-8")
    found = verified(database, "--archive", str(path))
    assert (found["problem"], found["seq"]) == ("changed", seq)
    assert found["message"].startswith("in the archives: ")


def test_a_row_added_to_an_archive_is_detected(database: Database, keys: list[str]) -> None:
    prune(database, 3)
    prune(database, 5)
    one, other = archive_of(database, 3), archive_of(database, 5)
    row = other.read_text(encoding="utf-8").splitlines(keepends=True)[0]
    for number in (-7, 0, 2, 3, 4.0, 5, True):
        forged = row.replace('"seq":4', f'"seq":{orjson.dumps(number).decode()}')
        for path in (one, other):
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            for place in range(len(lines) + 1):
                path.write_text("".join([*lines[:place], forged, *lines[place:]]), encoding="utf-8")
                paths = ["--archive", str(other), "--archive", str(one)]
                found = verified(database, *paths)
                assert not found["ok"], (number, path.name, place)
            path.write_text("".join(lines), encoding="utf-8")
    assert verified(database, "--archive", str(other), "--archive", str(one))["ok"]


@pytest.mark.parametrize("order", [1, -1])
def test_archives_that_overlap_must_agree(database: Database, keys: list[str], order: int) -> None:
    prune(database, 3)
    path = archive_of(database, 3)
    copy = path.with_name("copy")
    text = path.read_text(encoding="utf-8")
    copy.write_text(text, encoding="utf-8")
    both = [part for each in (path, copy)[::order] for part in ("--archive", str(each))]
    assert verified(database, *both)["ok"]
    copy.write_text(
        text.replace('"seq":1}', '"seq":1.0}').replace(
            '"ip_address":null', '"ip_address":"203.0.113.9"', 1
        ),
        encoding="utf-8",
    )
    assert not verified(database, *both)["ok"]


def test_an_archive_of_another_log_is_found(database: Database, keys: list[str]) -> None:
    other = Database(database.path.with_name("other.db"))
    init(other)
    prune(database, 3)
    mine = archive_of(database, 3)
    mine.rename(mine.with_name("mine"))
    create(other, tenant_of(other))
    prune(other, 3)
    found = verified(database, "--archive", str(archive_of(other, 3)))
    assert (found["problem"], found["seq"]) == ("changed", 3)
    assert found["message"] == "in the archives: the archives are not of this log"


def test_a_pipe_is_no_archive(database: Database, keys: list[str]) -> None:
    pipe = database.path.with_name("pipe")
    os.mkfifo(pipe)
    refused = command(database, "audit", "verify", "--archive", str(pipe))
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "is not a regular file" in refused.stderr


@pytest.mark.parametrize("content", ["x\n", "[]\n", "{}\n", '{"seq": 1}\n', "\udcff\n"])
def test_a_file_that_is_no_archive_is_refused(
    database: Database, keys: list[str], content: str
) -> None:
    prune(database, 3)
    path = database.path.with_name("odd")
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    done = command(database, "audit", "verify", "--archive", str(path))
    assert done.returncode == 1
    assert done.stderr.startswith(f"hookstream-keys: line 1 of {path} is not a row of an audit log")


# An interrupted prune


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_prune, "BATCH", 2)


@pytest.mark.on_sqlite(reason="PostgreSQL prunes in one transaction")
@pytest.mark.usefixtures("small_batches")
def test_a_prune_that_is_interrupted_leaves_a_log_that_is_verified_and_can_go_on(
    database: Database, keys: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", stop)
    first = str(archive_of(database, 5))
    moment = time_of(database, 6)
    done = command(database, "audit", "prune", "--before", moment, "--archive", first)
    assert (done.returncode, done.stderr) == (1, "\nhookstream-keys: interrupted\n")
    monkeypatch.undo()
    # Of the five rows two are gone; the event, which names all, came with them.
    assert seqs(database) == [3, 4, 5, 6, 7]
    assert verified(database)["ok"]
    assert verified(database, "--archive", first) == {
        "ok": True, "rows": 7, "head": verified(database)["head"],
    }  # fmt: skip
    assert verified(database, "--state", "--archive", first)["ok"]
    second = str(database.path.with_name("second.jsonl"))
    pruned = answer(database, "audit", "prune", "--before", moment, "--archive", second)
    assert (pruned["rows"], pruned["through_seq"]) == (3, 5)
    assert seqs(database) == [6, 7, 8]
    # The two overlap.
    assert verified(database, "--archive", second, "--archive", first)["rows"] == 8


@pytest.mark.on_postgresql(reason="SQLite prunes in many transactions")
@pytest.mark.parametrize("after", [False, True])
def test_a_prune_that_is_interrupted_has_removed_nothing_and_is_repeated(
    database: Database, keys: list[str], monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    # Here, since its driver is installed for the tests on this engine only.
    from hookstream_keys.store.postgresql.transfer import differences

    apply = differences.apply

    def stop(*arguments: Any) -> None:
        if after:
            apply(*arguments)
        raise KeyboardInterrupt

    before = database.dump()
    first, second = (str(database.path.with_name(f"{number}.jsonl")) for number in (1, 2))
    options = ("audit", "prune", "--before", time_of(database, 6), "--archive")
    with monkeypatch.context() as patch:
        patch.setattr(differences, "apply", stop)
        done = command(database, *options, first)
    assert (done.returncode, done.stderr) == (1, "\nhookstream-keys: interrupted\n")
    assert database.dump() == before
    # What is archived and still there is found once.
    assert verified(database, "--state", "--archive", first)["rows"] == 6
    pruned = answer(database, *options, second)
    assert (pruned["rows"], pruned["through_seq"]) == (5, 5)
    assert seqs(database) == [6, 7]
    assert Path(first).read_bytes() == Path(second).read_bytes()


@pytest.mark.usefixtures("small_batches")
def test_a_prune_in_many_transactions(database: Database, keys: list[str]) -> None:
    prune(database, 5)
    assert seqs(database) == [6, 7]
    assert verified(database, "--archive", str(archive_of(database, 5)))["rows"] == 7


def test_concurrent_prunes_do_not_mix(database: Database, keys: list[str]) -> None:
    moments = time_of(database, 4), time_of(database, 6)
    write = archive.write

    def write_late(*arguments: Any) -> int:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(archive, "write", write)
            answer(database, "audit", "prune", "--before", moments[0], "--no-archive")
        return write(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive, "write", write_late)
        path = database.path.with_name("late")
        done = command(database, "audit", "prune", "--before", moments[1], "--archive", str(path))
    assert done.returncode == 1
    assert "another prune is running" in done.stderr
    assert seqs(database) == [4, 5, 6, 7]
    assert verified(database)["ok"]


# The state, and backups


def test_a_backup_of_a_pruned_log_is_restored(database: Database, keys: list[str]) -> None:
    prune(database, 4)
    path = backup(database)
    create(database, tenant_of(database))
    found = restore(database, path)
    assert (found["rows"], found["pruned"], found["changes"]["api_key.removed"]) == (3, 4, 1)
    database.lose()
    assert command(database, "restore", str(path)).returncode == 0
    assert verified(database, "--archive", str(archive_of(database, 4)))["ok"]


def test_a_backup_from_before_a_prune_is_restored_as_far_as_the_log_goes_back(
    database: Database, keys: list[str]
) -> None:
    path = backup(database)
    create(database, tenant_of(database))
    prune(database, 6)
    assert restore(database, path)["changes"]["api_key.removed"] == 1
    prune(database, 7)
    assert_refused(
        database, "restore", path, "the backup is older than the audit log, of which the"
    )


def test_other_writers_go_on_beside_a_prune(database: Database, tenant: Tenant) -> None:
    add_keys(database.path, tenant.org_id, tenant.env_id, 2000)
    moment = database.now()
    with serving(database) as server:
        owner = {"Authorization": f"Bearer {database.add_session(tenant.user_id)}"}
        body = {"name": "n", "org_id": tenant.org_id, "env_id": tenant.env_id}
        pruning = subprocess.Popen(
            [COMMAND, "audit", "prune", "--before", moment, "--no-archive"],
            env=environment(database.path),
            stdout=subprocess.DEVNULL,
        )
        statuses = set()
        while pruning.poll() is None:
            answered = server.request("POST", "/auth/api-keys", headers=owner, json=body)
            statuses.add(answered.status_code)
    assert pruning.returncode == 0
    assert statuses == {201}
    assert verified(database)["ok"]
