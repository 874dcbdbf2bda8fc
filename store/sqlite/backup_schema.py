"""The allowed code in a backup's schema: only that of this version's migrations.

A trigger or view that was added to a backup would run during the restore, or in the restored
database.
"""

import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path

from sqlite_utils import Database

from hookstream_keys.store.errors import BackupRefused
from hookstream_keys.store.sqlite.migrations import migrations

#: Triggers, views, and virtual tables, which have no page of their own.
_CODE = """
    select type, name, sql from sqlite_master
    where type in ('trigger', 'view') or (type = 'table' and rootpage = 0) order by name
"""


def require_known(connection: sqlite3.Connection, path: Path) -> None:
    """Raise BackupRefused where the schema has code that this version does not create."""
    for kind, name, statement in connection.execute(_CODE):
        if _known().get((kind, name)) != _words(statement):
            what = "virtual table" if kind == "table" else kind
            raise BackupRefused(
                f"{path} is no sound backup: it has the {what} {name!a}, which this version does "
                "not make; a sealed backup may have it"
            )


def require_tables(connection: sqlite3.Connection, path: Path) -> None:
    """Raise BackupRefused where a table of this project is not as this version creates it.

    The backup has this version's migrations. better-auth's tables may have columns of its plugins.
    """
    for table, made in _tables().items():
        if _columns(connection, table) != made:
            raise BackupRefused(
                f"{path} is no sound backup: its table {table} is not as this version makes it"
            )


def complete(connection: sqlite3.Connection) -> None:
    """Create missing triggers of this version."""
    there = {row[:2] for row in connection.execute(_CODE)}
    for (kind, name), statement in _known().items():
        if (kind, name) not in there:
            connection.execute(statement)


@cache
def _tables() -> dict[str, set[tuple[object, ...]]]:
    with closing(sqlite3.connect(":memory:")) as connection:
        migrations.apply(Database(connection))
        strict = connection.execute("select name from pragma_table_list where strict = 1")
        return {name: _columns(connection, name) for (name,) in strict.fetchall()}


def _columns(connection: sqlite3.Connection, table: str) -> set[tuple[object, ...]]:
    """The columns of a table, with their types and keys; and its kind."""
    rows = connection.execute(
        'select name, lower(type), "notnull", pk, hidden from pragma_table_xinfo(?)', (table,)
    )
    kind = connection.execute(
        "select type, wr, strict from pragma_table_list where schema = 'main' and name = ?",
        (table,),
    )
    return {*rows.fetchall(), *kind.fetchall()}


@cache
def _known() -> dict[tuple[str, str], str]:
    with closing(sqlite3.connect(":memory:")) as connection:
        migrations.apply(Database(connection))
        return {
            (kind, name): _words(statement) for kind, name, statement in connection.execute(_CODE)
        }


def _words(statement: str) -> str:
    return " ".join(statement.split())
