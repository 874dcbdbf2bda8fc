"""docs/audit-log.md: its encoding, its test vector and its commands."""

import hashlib
import json
import re
import sqlite3
from contextlib import closing

from support import Database, run
from support.readme import ROOT, code_blocks

from hookstream_keys.store.sqlite import audit_prune

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
    first, second, prune, archive = (block.split() for block in code_blocks(PAGE))
    answer = run(*first[1:], database=database.path)
    printed = re.fullmatch(r"ok, 3 rows, head ([0-9a-f]{64})\n", answer.stdout)
    assert printed
    assert re.search(r"^ok, 3 rows, head [0-9a-f]{64}$", PAGE, re.MULTILINE)
    assert second[-1] == "HEAD"
    assert run(*second[1:-1], printed[1], database=database.path).stdout == answer.stdout
    write_anew(database, created_at="2025-12-31T23:59:59.999Z")
    assert run(*prune[1:], database=database.path).returncode == 0
    assert database.execute("select seq, action from audit_log") == [(4, "audit_log.pruned")]
    assert archive[-1] == prune[-1]
    assert run(*archive[1:], database=database.path).stdout.startswith("ok, 4 rows, head ")


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


def test_the_number_of_rows_in_a_transaction_is_the_one_that_is_told() -> None:
    assert audit_prune.BATCH == 2000
    assert "rows go two thousand at a time" in PAGE


def test_the_problems_are_those_that_are_told() -> None:
    section = PAGE.partition("## Checking it\n")[2].partition("\n## ")[0]
    problems = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert problems == ["changed", "removed", "reordered", "head"]
