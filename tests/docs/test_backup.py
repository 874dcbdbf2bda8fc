"""docs/backup.md: its commands, and what it says of every table and column."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from support import Database, run
from support.readme import ROOT, code_blocks

from hookstream_keys.store.sqlite.restore_columns import COLUMNS, Narrower, Rule

PAGE = (ROOT / "docs" / "backup.md").read_text(encoding="utf-8")

#: How the rows of the table of columns begin.
RULES = {
    "never changes, or the backup is refused": Rule.FIXED,
    "the more restrictive of the two": Narrower,
    "the database's": Rule.KEPT,
    "the backup's": Rule.TAKEN,
}


def test_the_commands_run_as_they_stand_there(database: Database) -> None:
    database.init()
    made, put_back, unsealed = (block.splitlines() for block in code_blocks(PAGE))
    folder = database.path.parent

    def does(line: str) -> str:
        """What a command of the page prints."""
        words = [Path(word).name if word.startswith("/var") else word for word in line.split()]
        assert words[0] == "hookstream-keys"
        done = run(*words[1:], database=folder / "hookstream.db")
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert re.search(r"^head +[0-9a-f]{64}$", does(made[0]), re.MULTILINE)
    for line in put_back:
        assert re.search(r"^sealed +True$", does(line), re.MULTILINE)
    # What it is for: a copy that was made by other means.
    with closing(sqlite3.connect(database.path)) as connection:
        connection.execute(f"vacuum into '{folder / Path(unsealed[0].split()[-1]).name}'")
    assert re.search(r"^sealed +False$", does(unsealed[0]), re.MULTILINE)


def test_the_parts_of_the_seal_are_as_stated(database: Database) -> None:
    database.init()
    path = database.path.with_name("b.db")
    assert run("backup", str(path), database=database.path).returncode == 0
    with closing(sqlite3.connect(path)) as connection:
        parts = {row[0] for row in connection.execute("select part from backup_seal")}
    section = PAGE.partition("## The seal\n")[2].partition("\n## ")[0]
    told = set(re.findall(r"^\| `([\w ]+)` \|", section, re.MULTILINE))
    assert {re.sub(r"^table .*", "table NAME", part) for part in parts} == told


def test_the_treatment_of_each_column_is_as_stated() -> None:
    section = PAGE.partition("## What it does to each column\n")[2].partition("\n## ")[0]
    told: dict[tuple[str, str], object] = {}
    for rule, cell in re.findall(r"^\| ([\w ',]+) \| (`.+) \|$", section, re.MULTILINE):
        for table, columns in re.findall(r"`(\w+)`: ([\w, ]+)", cell):
            told |= {(table, column): RULES[rule] for column in columns.split(", ")}
    expected: dict[tuple[str, str], object] = {
        (table, column): Narrower if isinstance(rule, Narrower) else rule
        for table, columns in COLUMNS.items()
        for column, rule in columns.items()
    }
    assert told == expected


def test_the_tables_left_out_are_as_stated(database: Database) -> None:
    database.init()
    tables = {
        row[0] for row in database.execute("select name from sqlite_master where type = 'table'")
    }
    sentence = re.search(r"The tables ([^.]*) are not put back", PAGE)
    assert sentence
    told = set(re.findall(r"`(\w+)`", sentence[1]))
    assert told == tables - COLUMNS.keys() - {"_sqlite_migrations"}


def test_the_number_of_tried_edits_is_as_stated() -> None:
    total, *kinds = (
        int(number.replace(",", ""))
        for number in re.findall(r"(\d[\d,]*)\s(?:random|bytes|columns|rows|pairs)", PAGE)
    )
    assert sum(kinds) == total == 2000
