"""Comparing and changing the rows that a backup, attached as `backup`, and the database have."""

import sqlite3
from collections.abc import Iterator
from typing import Any

from hookstream_keys.store.sqlite.restore_columns import narrower_columns

#: So many rows are in memory at once.
PAGE = 500


def columns(connection: sqlite3.Connection, table: str) -> list[str]:
    """The columns that a table has in both: better-auth may have added some of its own."""
    both = [
        [row[1] for row in connection.execute(f'pragma {schema}.table_info("{table}")')]
        for schema in ("main", "backup")
    ]
    return [name for name in both[0] if name in both[1]]


def narrowed(table: str, was: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """The more restrictive value of each column that differs; that of now, where one is damaged."""
    values = {}
    for name, rule in narrower_columns(table).items():
        if was[name] != now[name]:
            try:
                values[name] = rule.choose(was[name], now[name])
            except (ValueError, TypeError, AttributeError, OverflowError):
                values[name] = now[name]
    return values


def different(
    connection: sqlite3.Connection, table: str
) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """The rows in both of which a column differs that is narrowed: the id and the values of each.

    The row that is given may be changed.
    """
    names, last = list(narrower_columns(table)), ""
    statement = (
        f"select b.id, {listed('b', names)}, {listed('m', names)} from backup.{quoted(table)} b"  # noqa: S608
        f" join main.{quoted(table)} m on m.id = b.id"
        f" where b.id > ? and {differ('b', 'm', names)} order by b.id limit {PAGE}"
    )
    while page := connection.execute(statement, (last,)).fetchall():
        for row_id, *values in page:
            was, now = values[: len(names)], values[len(names) :]
            yield row_id, dict(zip(names, was, strict=True)), dict(zip(names, now, strict=True))
        last = page[-1][0]


def update(connection: sqlite3.Connection, table: str, row_id: str, values: dict[str, Any]) -> None:
    """Give a row of the backup's copy other values."""
    names = ", ".join(f"{quoted(name)} = ?" for name in values)
    if values:
        connection.execute(
            f"update backup.{quoted(table)} set {names} where id = ?",  # noqa: S608
            (*values.values(), row_id),
        )


def listed(alias: str, names: list[str]) -> str:
    """Columns of a table that goes by an alias, as SQL lists them."""
    return ", ".join(f"{alias}.{quoted(name)}" for name in names)


def differ(alias: str, other: str, names: list[str]) -> str:
    """The condition that two rows have another value in one of the columns; null is a value."""
    return f"({listed(alias, names)}) is not ({listed(other, names)})"


def quoted(name: str) -> str:
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'
