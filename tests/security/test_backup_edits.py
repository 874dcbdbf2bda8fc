"""An attacker can write where backups are kept: every byte flip and every edited column is refused.

`FUZZ_EDITS` says how many edits, from a random seed; otherwise they are the same each time.
"""

import os
import random
import secrets
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support import SECRET, Database
from support.backups import backup
from support.history import begin

from hookstream_keys.cli.operations import operator_context
from hookstream_keys.domain.signing import Signer
from hookstream_keys.handlers import audit
from hookstream_keys.store import BackupRefused, Restored, SealKeys, SqliteStore

IS_CAMPAIGN = "FUZZ_EDITS" in os.environ
EDITS = int(os.environ.get("FUZZ_EDITS") or 200)
SEED = int(os.environ.get("FUZZ_SEED") or (secrets.randbelow(2**32) if IS_CAMPAIGN else 20261126))

KEY = Signer(SECRET).derive("backup seal")


class Edits:
    """Edits of a backup, each made to a copy of it."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path = path
        self.chance = random.Random(seed)  # noqa: S311 - what to edit is no secret
        with closing(sqlite3.connect(path)) as connection:
            self.columns: dict[str, list[str]] = {
                table: [row[1] for row in connection.execute(f'pragma table_info("{table}")')]
                for (table,) in connection.execute(
                    "select name from sqlite_master where type = 'table'"
                ).fetchall()
                if connection.execute(f'select count(*) from "{table}"').fetchone() != (0,)
            }

    def flip(self, copy: Path) -> str:
        """Flip some bits of a byte, anywhere in the file."""
        content = bytearray(copy.read_bytes())
        content[self.chance.randrange(len(content))] ^= self.chance.randrange(1, 256)
        copy.write_bytes(content)
        return ""

    def cell(self, copy: Path) -> str:
        """Change a column of a row. Returns the table."""
        table = self.chance.choice(sorted(self.columns))
        column = self.chance.choice(self.columns[table])
        row, value = self._row(copy, table, column)
        self._run(copy, f'update "{table}" set "{column}" = ? where {row}', self._other(value))
        return table

    def removal(self, copy: Path) -> str:
        """Remove a row. Returns the table."""
        table = self.chance.choice(sorted(self.columns))
        row, _ = self._row(copy, table, self.columns[table][0])
        self._run(copy, f'delete from "{table}" where {row}')
        return table

    def exchange(self, copy: Path) -> str:
        """Exchange a column of two rows. Returns the table."""
        table = self.chance.choice(sorted(self.columns))
        column = self.chance.choice(self.columns[table])
        (one, first), (other, second) = (self._row(copy, table, column) for _ in range(2))
        exchanged = f"case when {one} then ? else ? end"
        where = f"{one} or {other}"
        self._run(
            copy, f'update "{table}" set "{column}" = {exchanged} where {where}', second, first
        )
        return table

    def _row(self, copy: Path, table: str, column: str) -> tuple[str, Any]:
        """A condition that is true of one row, and what that has in the column."""
        first = self.columns[table][0]
        with closing(sqlite3.connect(copy)) as connection:
            rows = connection.execute(
                f'select quote("{first}"), "{column}" from "{table}" order by 1'
            ).fetchall()
        name, value = self.chance.choice(rows)
        return f'"{first}" = {name}', value

    def _other(self, value: Any) -> Any:
        if isinstance(value, int):
            return value + self.chance.choice((-1, 1))
        if isinstance(value, bytes):
            return self.chance.randbytes(len(value))
        places = [*(value or "x")]
        places[self.chance.randrange(len(places))] = self.chance.choice("0123456789abcdef*")
        return "".join(places)

    @staticmethod
    def _run(copy: Path, statement: str, *values: Any) -> None:
        with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
            connection.execute("pragma ignore_check_constraints = on")
            for change in ("update", "delete"):
                connection.execute(f"drop trigger if exists audit_log_no_{change}")
            connection.execute(statement, values)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Database:
    """A database with something in every table that has anything to protect."""
    return begin(Database(tmp_path_factory.mktemp("edits") / "hookstream.db")).database


def restored(database: Database, path: Path) -> Restored:
    """What putting the backup back comes to. Raises BackupRefused."""
    store = SqliteStore(database.path)
    context = operator_context(store)
    try:
        return store.restore(
            path,
            "2026-11-26T00:00:00.000Z",
            lambda change: audit.restored(context, change),
            SealKeys((KEY,), "a test"),
            deletions=audit.deletion_events(context.sources),
            revocations=audit.revocation_events(context.sources),
            rehearse=True,
        )
    finally:
        store.close()


def rows(path: Path, table: str) -> list[tuple[Any, ...]]:
    """Everything that is in a table of a file."""
    with closing(sqlite3.connect(path)) as connection:
        return sorted(connection.execute(f'select * from "{table}"').fetchall(), key=repr)


def test_every_edit_of_a_backup_is_refused(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    path = backup(database)
    edits, kinds = Edits(path, SEED), Counter[str]()
    ways: list[Callable[[Path], str]] = [edits.flip, edits.flip, edits.cell, edits.cell,
                                         edits.removal, edits.exchange]  # fmt: skip
    copy, original = path.with_name("edited.db"), path.read_bytes()
    wrong: list[str] = []
    while kinds.total() < EDITS:
        shutil.copy(path, copy)
        way = edits.chance.choice(ways)
        try:
            table = way(copy)
        except sqlite3.IntegrityError:
            # The table itself refuses such a value.
            continue
        if copy.read_bytes() == original or (table and rows(copy, table) == rows(path, table)):
            # It came to nothing.
            continue
        kinds[way.__name__] += 1
        try:
            wrong.append(f"{way.__name__} {table}: {restored(database, copy)}")
        except BackupRefused as refused:
            if table not in str(refused) and table != "backup_seal":
                wrong.append(f"{way.__name__} {table}: not named: {refused}")
    with capsys.disabled():
        print(f"\n{kinds.total()} edits, {dict(kinds)}, seed {SEED}, {len(wrong)} not refused")
    assert wrong == []
    # The backup itself is as valid as it was.
    assert restored(database, path).sealed


def test_every_byte_of_the_seal_itself_matters(database: Database) -> None:
    path = backup(database, "seal.db")
    content = path.read_bytes()
    with closing(sqlite3.connect(path)) as connection:
        macs = dict(connection.execute("select part, hmac from backup_seal"))
    copy = path.with_name("edited.db")
    for part, mac in macs.items():
        at = content.index(mac)
        for place in range(0, 32, 5):
            edited = bytearray(content)
            edited[at + place] ^= 0x10
            copy.write_bytes(edited)
            with pytest.raises(BackupRefused):
                restored(database, copy)
        assert content.count(mac) == 1, part
