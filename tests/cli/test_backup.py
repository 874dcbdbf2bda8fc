"""`hookstream-keys backup`."""

import json
import os
import sqlite3
import stat
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from support import ON_POSTGRESQL, Database, Tenant, iso
from support.backups import assert_refused, backup, command, create, edit, verified


def columns(path: Path) -> dict[str, str]:
    """The columns of each table in a file, as SQL lists them."""
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("select name from sqlite_master where type = 'table'")
        return {
            name: ", ".join(
                f'"{column}"'
                for _, column, *_ in connection.execute(f'pragma table_info("{name}")')
            )
            for (name,) in tables.fetchall()
        }


def rows(
    execute: Callable[[str], Iterable[tuple[Any, ...]]], listed: Mapping[str, str]
) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that is in these columns, by table, with the values that SQLite has."""
    found = {name: execute(f'select {names} from "{name}"') for name, names in listed.items()}
    return {
        name: sorted((tuple(map(as_in_a_file, row)) for row in each), key=repr)
        for name, each in found.items()
    }


def as_in_a_file(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    return int(value) if isinstance(value, bool) else value


def test_a_backup_is_the_database_and_readable_by_its_owner_only(
    database: Database, tenant: Tenant
) -> None:
    create(database, tenant)
    previous = os.umask(0)
    try:
        path = backup(database)
    finally:
        os.umask(previous)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    listed = columns(path)
    with closing(sqlite3.connect(path)) as connection:
        copied = rows(connection.execute, listed)
    assert {row[0] for row in copied.pop("backup_seal")} == {
        "file",
        "schema",
        *(f"table {name}" for name in copied),
    }
    # PostgreSQL has a chain for each organization, and one without events for what is of none.
    ((seq, entry_hash),) = database.execute("select seq, hash from audit_head where seq > 0")
    assert copied.pop("audit_head") == [(1, seq, entry_hash)]
    if ON_POSTGRESQL:
        # It has migrations of its own.
        assert copied.pop("_sqlite_migrations")
    assert copied == rows(database.execute, {name: listed[name] for name in copied})
    assert not list(path.parent.glob(".*"))


def test_it_says_how_far_it_goes(database: Database, tenant: Tenant) -> None:
    path = database.path.with_name("b.db")
    done = command(database, "backup", str(path), "--json")
    found = json.loads(done.stdout)
    (until,) = database.execute("select created_at from audit_log where seq = 3")[0]
    facts = {"rows": 3, "head": found["head"], "until": until, "pruned": 0, "state_faults": 0}
    assert found == {"file": str(path), **facts}
    assert found["head"] == verified(database)["head"]


def test_a_backup_holds_no_session_link_or_secret(database: Database, tenant: Tenant) -> None:
    token = database.add_session(tenant.user_id)
    database.execute(
        "insert into \"verification\" values ('v1', 'reset', 'a-mailed-link', ?, ?, ?)",
        (database.now(),) * 3,
    )
    content = backup(database).read_bytes()
    for secret in (token, "a-mailed-link", tenant.key, tenant.password):
        assert secret.encode() not in content
    assert (database.count('"session"'), database.count('"verification"')) == (1, 1)


def test_deleted_rows_are_not_in_a_backup(database: Database, tenant: Tenant) -> None:
    database.execute("update organization set metadata = 'deleted-long-ago'")
    database.execute("update organization set metadata = null")
    assert b"deleted-long-ago" not in backup(database).read_bytes()


def test_nothing_is_overwritten(database: Database, tenant: Tenant) -> None:
    path = backup(database)
    before = path.read_bytes()
    assert_refused(database, "backup", path, "exists; it is not overwritten")
    assert path.read_bytes() == before
    link = path.with_name("link")
    link.symlink_to(path.with_name("nowhere"))
    assert_refused(database, "backup", link, "exists; it is not overwritten")


@pytest.mark.on_sqlite(reason="PostgreSQL's database is no file")
def test_the_database_is_not_overwritten(database: Database, tenant: Tenant) -> None:
    assert_refused(database, "backup", database.path, "exists; it is not overwritten")


def test_where_nothing_can_be_written_it_says_so(database: Database, tenant: Tenant) -> None:
    assert_refused(database, "backup", database.path.parent / "no" / "b.db", "No such file")


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        ("update audit_head set seq = 2", "audit log"),
        ("update organization set id = 'org_1'", "belongs to none of organization"),
    ],
)
def test_an_unsound_database_is_not_backed_up(
    database: Database, tenant: Tenant, harm: str, says: str
) -> None:
    edit(database.path, "pragma foreign_keys = off", harm)
    assert_refused(database, "backup", database.path.with_name("b.db"), says)


def test_a_missing_database_is_not_created(database: Database) -> None:
    says = (
        "the PostgreSQL database has no tables of hookstream-keys: "
        if ON_POSTGRESQL
        else f"there is no database {database.path}: "
    )
    assert_refused(database, "backup", database.path.with_name("b.db"), says)
