"""Comparing and changing rows of a backup, attached as `backup`, and of the database."""

import sqlite3
from collections.abc import Iterator
from typing import Any

from hookstream_keys.store.sqlite.restore_columns import narrower_columns

#: How many rows are in memory at once.
PAGE = 500


def columns(connection: sqlite3.Connection, table: str) -> list[str]:
    """The columns of a table in both: better-auth may have added some."""
    both = [
        [row[1] for row in connection.execute(f'pragma {schema}.table_info("{table}")')]
        for schema in ("main", "backup")
    ]
    return [name for name in both[0] if name in both[1]]


def narrowed(table: str, was: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """The more restrictive value of each differing column; the present one, if one is invalid."""
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
    """The rows in both with a narrowed column that differs: the id and the values of each.

    The yielded row may be changed.
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
    """Update a row of the backup's copy."""
    names = ", ".join(f"{quoted(name)} = ?" for name in values)
    if values:
        connection.execute(
            f"update backup.{quoted(table)} set {names} where id = ?",  # noqa: S608
            (*values.values(), row_id),
        )


def listed(alias: str, names: list[str]) -> str:
    """A list of columns in SQL, of a table with an alias."""
    return ", ".join(f"{alias}.{quoted(name)}" for name in names)


def differ(alias: str, other: str, names: list[str]) -> str:
    """The condition that two rows differ in one of the columns; null is a value."""
    return f"({listed(alias, names)}) is not ({listed(other, names)})"


def quoted(name: str) -> str:
    """A quoted identifier in SQL."""
    return '"' + name.replace('"', '""') + '"'
