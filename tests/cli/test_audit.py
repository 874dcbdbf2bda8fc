"""`hookstream-keys audit verify`."""

import json
import sqlite3
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support import ON_POSTGRESQL, Database, Tenant, run, serving

GENESIS = "0" * 64


def verify(database: Database, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run("audit", "verify", *arguments, database=database.path)


def found(database: Database, *arguments: str) -> dict[str, object]:
    """What a program is told, held against the exit status."""
    answer = verify(database, "--json", *arguments)
    facts: dict[str, object] = json.loads(answer.stdout)
    assert answer.returncode == (0 if facts["ok"] else 1), answer.stderr
    return facts


def add_keys(database: Database, tenant: Tenant, count: int) -> None:
    for number in range(count):
        options = ("--name", f"n{number}", "--org", tenant.org_id, "--env", tenant.env_id)
        assert run("keys", "create", *options, database=database.path).returncode == 0


@pytest.fixture
def log(database: Database) -> Database:
    """A log of five rows that nothing protects from being changed."""
    add_keys(database, database.init(), 2)
    if not ON_POSTGRESQL:
        for change in ("update", "delete"):
            database.execute(f"drop trigger audit_log_no_{change}")
    return database


def ids(database: Database) -> list[str]:
    return [row[0] for row in database.execute("select id from audit_log order by seq")]


def head(database: Database) -> str:
    last: str = database.execute("select hash from audit_log order by seq desc limit 1")[0][0]
    return last


def test_a_log_as_it_was_written_is_ok(log: Database) -> None:
    answer = verify(log)
    assert answer.stdout == f"ok, 5 rows, head {head(log)}\n"
    assert (answer.returncode, answer.stderr) == (0, "")
    assert found(log) == {"ok": True, "rows": 5, "head": head(log)}


def test_an_empty_log_is_ok(database: Database) -> None:
    with serving(database):
        pass
    assert verify(database).stdout == f"ok, 0 rows, head {GENESIS}\n"


def test_it_changes_nothing(log: Database) -> None:
    before = log.dump()
    verify(log)
    assert log.dump() == before


def test_a_changed_row_is_named(log: Database) -> None:
    log.execute("update audit_log set ip_address = '203.0.113.9' where seq = 4")
    answer = verify(log)
    assert answer.returncode == 1
    assert answer.stdout.startswith(f"changed, seq 4, id '{ids(log)[3]}': ")
    assert answer.stdout.count("\n") == 1
    facts = found(log)
    assert (facts["problem"], facts["seq"], facts["id"]) == ("changed", 4, ids(log)[3])
    assert (facts["rows"], facts["ok"]) == (3, False)


def test_a_removed_row_is_named(log: Database) -> None:
    log.execute("delete from audit_log where seq = 3")
    assert verify(log).stdout == "removed, seq 3: row 3 is missing\n"
    log.execute("delete from audit_log where seq = 4")
    assert verify(log).stdout == "removed, seq 3: rows 3 to 4 are missing\n"


def test_a_truncated_log_is_detected(log: Database) -> None:
    log.execute("delete from audit_log where seq = 5")
    facts = found(log)
    assert (facts["problem"], facts["seq"], facts["id"]) == ("removed", 5, None)


def test_reordered_rows_are_named(log: Database) -> None:
    for change in ("-1 where seq = 3", "3 where seq = 4", "4 where seq = -1"):
        log.execute(f"update audit_log set seq = {change}")
    facts = found(log)
    assert (facts["problem"], facts["seq"], facts["id"]) == ("reordered", 3, ids(log)[2])
    assert facts["message"] == "the row that belongs here is at seq 4"


def test_a_changed_head_is_detected(log: Database) -> None:
    log.execute("update audit_head set hash = ?", (GENESIS,))
    assert found(log)["problem"] == "head"
    log.execute("delete from audit_head")
    assert found(log)["problem"] == "head"


def test_an_id_is_shown_so_that_a_terminal_is_safe(log: Database) -> None:
    log.execute("update audit_log set id = ? where seq = 2", ("\x1b[2J\nok, 5 rows",))
    assert verify(log).stdout.startswith("changed, seq 2, id '\\x1b[2J\\nok, 5 rows': ")


def test_an_expected_head_detects_a_truncated_chain_and_head(log: Database) -> None:
    kept = head(log)
    log.execute("delete from audit_log where seq = 5")
    log.execute("update audit_head set seq = 4, hash = ? where seq = 5", (head(log),))
    assert verify(log).returncode == 0
    assert found(log, "--since-head", kept)["problem"] == "head"
    assert found(log, "--since-head", head(log))["ok"] is True


@pytest.mark.on_sqlite(reason="it copies the file back")
def test_an_expected_head_detects_a_database_that_was_rolled_back(database: Database) -> None:
    tenant = database.init()
    with sqlite3.connect(database.path) as source, sqlite3.connect(":memory:") as backup:
        source.backup(backup)
        add_keys(database, tenant, 1)
        kept = head(database)
        assert found(database, "--since-head", kept)["ok"] is True
        backup.backup(source)
    source.close()
    backup.close()
    assert verify(database).returncode == 0
    assert found(database, "--since-head", kept)["problem"] == "head"


def test_a_head_is_read_from_a_file(log: Database, tmp_path: Path) -> None:
    # As `audit verify` prints more of them than fit into an argument.
    kept = tmp_path / "heads"
    kept.write_text(f"{head(log)}\n")
    assert found(log, "--since-head", f"@{kept}")["ok"] is True
    kept.write_text(f"{head(log)}\n{'1' * 64}\n" * 3_000)
    assert found(log, "--since-head", f"@{kept}")["problem"] == "head"


def test_a_malformed_head_is_refused(log: Database, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("é")
    for text in ("", "abc", "x" * 64, head(log)[:-1], f"@{wrong}", "@", "@/nothing/there"):
        answer = verify(log, "--since-head", text)
        assert answer.returncode == 2
        assert "--since-head" in answer.stderr


def test_it_makes_no_database(database: Database) -> None:
    answer = verify(database)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.count("\n") == 1
    assert not database.path.exists()


def test_workers_that_write_at_once_leave_one_chain_and_it_is_verified_meanwhile(
    database: Database,
) -> None:
    tenant = database.init()
    with serving(database, workers=2) as server:

        def write(number: int) -> int:
            answer = server.request(
                "POST",
                "/auth/api-keys",
                json={"name": f"n{number}", "org_id": tenant.org_id, "env_id": tenant.env_id},
                headers={"X-API-Key": tenant.key},
            )
            return answer.status_code

        outcomes: list[dict[str, object]] = []
        verifying = threading.Thread(
            target=lambda: outcomes.extend(found(database) for _ in range(4))
        )
        verifying.start()
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(write, range(80))) == {201}
        verifying.join()
    assert [facts["ok"] for facts in outcomes] == [True] * 4
    assert database.count_changes() == 83
    rows = database.count("audit_log")
    assert found(database, "--since-head", str(outcomes[0]["head"]))["rows"] == rows
