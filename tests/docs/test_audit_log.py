"""docs/audit-log.md: its encoding, its test vector and its commands."""

import hashlib
import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

from support import Database, history, run
from support.readme import ROOT, code_blocks

from hookstream_keys.store.sqlite import audit_prune, audit_state, state_rows

PAGE = (ROOT / "docs" / "audit-log.md").read_text(encoding="utf-8")

#: Rows as they are hashed, and their hashes.
VECTOR = re.findall(r"```json\n(.*?)\n```\n\n`([0-9a-f]{64})`", PAGE)


def member_table() -> dict[str, str]:
    section = PAGE.partition("## The encoding\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.+?) \|$", section, re.MULTILINE))


def canonical(row: dict[str, object]) -> str:
    """What the page says, for texts, whole numbers and null; apart from the code under test."""
    members = []
    for name in sorted(row):
        value = row[name]
        if value is None:
            shown = "null"
        elif isinstance(value, int):
            shown = str(value)
        else:
            shown = '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
        members.append(f'"{name}":{shown}')
    return "{" + ",".join(members) + "}"


def test_the_test_vector_is_what_the_page_says() -> None:
    assert len(VECTOR) == 2
    previous = bytes(32)
    for text, expected in VECTOR:
        assert canonical(json.loads(text)) == text
        previous = hashlib.sha256(previous + text.encode()).digest()
        assert previous.hex() == expected


def test_the_test_vector_has_the_members_of_the_table() -> None:
    table = member_table()
    for text, _ in VECTOR:
        row = json.loads(text)
        assert list(row) == list(table)
        for name, value in row.items():
            kind = {str: "text", int: "whole number", type(None): "null"}[type(value)]
            assert kind in table[name], name


def log_of_the_vector(database: Database) -> None:
    """Put the rows of the test vector in the place of those that are there."""
    with closing(sqlite3.connect(database.path)) as connection, connection:
        for change in ("update", "delete"):
            connection.execute(f"drop trigger if exists audit_log_no_{change}")
        connection.execute("delete from audit_log")
        for text, link in VECTOR:
            row = json.loads(text) | {"hash": link}
            places = ", ".join(f":{name}" for name in row)
            connection.execute(f"insert into audit_log ({', '.join(row)}) values ({places})", row)
        connection.execute("update audit_head set seq = 2, hash = ?", (VECTOR[1][1],))


def test_a_log_of_the_test_vector_is_ok(database: Database) -> None:
    database.init()
    log_of_the_vector(database)
    answer = run("audit", "verify", database=database.path)
    assert answer.stdout == f"ok, 2 rows, head {VECTOR[1][1]}\n"


def test_what_the_server_writes_is_as_the_page_says(database: Database) -> None:
    database.init()
    names = list(member_table())
    previous = bytes(32)
    for *values, link in database.execute(
        f"select {', '.join(names)}, hash from audit_log order by seq"
    ):
        text = canonical(dict(zip(names, values, strict=True)))
        previous = hashlib.sha256(previous + text.encode()).digest()
        assert previous.hex() == link
    assert database.execute("select seq, hash from audit_head") == [(3, previous.hex())]


def test_the_commands_run_as_they_stand_there(database: Database) -> None:
    database.init()
    first, second, third, accept, prune, archive = (block.split() for block in code_blocks(PAGE))
    answer = run(*first[1:], database=database.path)
    printed = re.fullmatch(r"ok, 3 rows, head ([0-9a-f]{64})\n", answer.stdout)
    assert printed
    assert re.search(r"^ok, 3 rows, head [0-9a-f]{64}$", PAGE, re.MULTILINE)
    assert second[-1] == "HEAD"
    assert run(*second[1:-1], printed[1], database=database.path).stdout == answer.stdout
    assert "\nstate ok, " in run(*third[1:], database=database.path).stdout
    listing, accepting = accept[:3], accept[3:]
    assert accepting == [*listing, "--yes"]
    database.execute("update \"organization\" set name = 'Other'")
    answer = run(*listing[1:], database=database.path)
    assert (answer.returncode, answer.stdout[:20]) == (1, "organization.updated")
    assert run(*accepting[1:], database=database.path).returncode == 0
    assert "\nstate ok, " in run(*third[1:], database=database.path).stdout
    write_anew(database, created_at="2025-12-31T23:59:59.999Z")
    assert run(*prune[1:], database=database.path).returncode == 0
    assert database.execute("select seq, action from audit_log") == [(5, "audit_log.pruned")]
    assert archive[-1] == prune[-1]
    assert run(*archive[1:], database=database.path).stdout.startswith("ok, 5 rows, head ")


def write_anew(database: Database, **values: str) -> None:
    """Make every row's hash anew, with other values in it."""
    database.execute("drop trigger audit_log_no_update")
    names, previous = list(member_table()), bytes(32)
    for row in database.execute(f"select {', '.join(names)} from audit_log order by seq"):
        changed = dict(zip(names, row, strict=True)) | values
        previous = hashlib.sha256(previous + canonical(changed).encode()).digest()
        listed = ", ".join(f"{name} = ?" for name in [*values, "hash"])
        database.execute(
            f"update audit_log set {listed} where seq = ?",
            (*values.values(), previous.hex(), changed["seq"]),
        )
        database.execute("update audit_head set hash = ?", (previous.hex(),))


def test_the_numbers_of_pruning_and_of_faults_are_as_stated() -> None:
    assert audit_prune.BATCH == 2000
    assert "rows go two thousand at a time" in PAGE
    assert audit_state.MAX_FAULTS == 100
    assert "At most a hundred are printed" in PAGE


def test_the_line_of_a_fault_is_as_it_stands_there(database: Database) -> None:
    tenant = database.init()
    options = ("--name", "n", "--org", tenant.org_id, "--env", tenant.env_id)
    made = json.loads(run("keys", "create", *options, "--json", database=database.path).stdout)
    assert run("keys", "revoke", made["id"], database=database.path).returncode == 0
    database.execute("update api_key set revoked_at = null")
    answer = run("audit", "verify", "--state", database=database.path)
    assert answer.returncode == 1
    (told,) = [line for line in answer.stdout.splitlines() if line.startswith("api_key")]
    (shown,) = re.findall(r"^api_key \".*$", PAGE, re.MULTILINE)
    assert pattern(shown) == pattern(told)


def pattern(line: str) -> str:
    """A line without its ids, times and numbers."""
    line = re.sub(r"ak_[0-9a-f]{32}", "ID", line)
    line = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", line)
    return re.sub(r"seq \d+", "SEQ", line)


def test_the_compared_fields_are_as_stated(tmp_path: Path) -> None:
    section = PAGE.partition("It finds, in any row")[2].partition("It does not find")[0]
    told = {
        kind: set(re.findall(r"`(\w+)`", text))
        for kind, text in re.findall(r"^\| `(\w+)` \| (.+?) \|$", section, re.MULTILINE)
    }
    world = history.begin(Database(tmp_path / "hookstream.db"))
    with closing(sqlite3.connect(world.database.path)) as connection:
        # One that is not complete.
        connection.execute(
            "insert into pending_deletion (id, kind, org_id, deleted_at, reason, request_id)"
            " values ('env', 'environment', 'org', '', '', '')"
        )
        for kind in audit_state.KINDS:
            (row, *_) = state_rows.read(connection, kind)
            # Of the others `org_id` is their key's.
            assert set(row.fields) == told[kind], kind


def test_the_problems_are_as_stated() -> None:
    section = PAGE.partition("## Checking it\n")[2].partition("\n## ")[0]
    problems = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert problems == ["changed", "removed", "reordered", "head"]
