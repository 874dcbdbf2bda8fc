"""The tables that both engines have, and how each of them writes their values."""

import hashlib
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import asyncpg
import orjson

from hookstream_keys.domain.timestamps import to_text
from hookstream_keys.store.errors import MoveRefused, StoreUnavailable
from hookstream_keys.store.postgresql.session import Session
from hookstream_keys.store.sql.better_auth import UNREADABLE, is_true, moment
from hookstream_keys.store.sqlite.restore_rows import quoted

#: The tables of better-auth's core and its organization plugin, in the order of references.
BETTER_AUTH = (
    "user", "account", "session", "verification", "organization", "member", "invitation",
)  # fmt: skip
#: This project's own, but for the audit log.
OWN = (
    "environment", "api_key", "rotation", "key_usage", "receipt", "pending_deletion",
    "pending_revocation", "audit_checkpoint",
)  # fmt: skip
TABLES = (*BETTER_AUTH, *OWN)

#: Tables of a file that have their own form here, or none.
_OF_FILES = {"audit_log", "audit_head", "audit_anchor", "_sqlite_migrations"}

#: The same of PostgreSQL.
_OF_DATABASE = {
    "audit_log", "audit_head", "audit_head_moved", "audit_anchor", "audit_chain_anchor",
    "audit_trunk", "audit_seal", "rate_limit", "node", "node_moved", "timeline",
    "hookstream_migration", "hookstream_move", "hookstream_moved",
}  # fmt: skip

Row = Sequence[Any]


class Column(NamedTuple):
    """A column of both databases, by its type in PostgreSQL."""

    name: str
    type: str


def lock(database: Session) -> None:
    """Let nothing else write to these tables until the transaction ends.

    In the order of a node's writes, which take their organization's `audit_head` first. Raises
    StoreUnavailable where the data was moved away while another transaction was waited for.
    """
    names = ", ".join(map(quoted, ("audit_head", *TABLES, "audit_log")))
    try:
        database.execute(f"lock table {names} in exclusive mode")
    except asyncpg.UndefinedTableError as error:
        raise StoreUnavailable(
            "the data was moved to another database meanwhile, or is being moved: use that"
        ) from error


def listed(columns: Iterable[Column]) -> str:
    """Columns in SQL."""
    return ", ".join(quoted(column.name) for column in columns)


def columns_of_database(database: Session, table: str) -> list[Column]:
    """The columns of a table in PostgreSQL that are stored; none where it has no such table."""
    return [
        Column(*row)
        for row in database.all(
            """select attname, format_type(atttypid, null) from pg_attribute
            where attrelid = to_regclass($1) and attnum > 0 and not attisdropped
            and attgenerated = '' order by attnum""",
            quoted(table),
        )
    ]


def columns_of_file(file: sqlite3.Connection, table: str) -> list[str]:
    """The names of the columns of a table in SQLite that are stored."""
    found = file.execute(f"pragma table_xinfo({quoted(table)})").fetchall()
    return [name for _, name, *_, hidden in found if not hidden]


def tables_of_database(database: Session) -> list[str]:
    """The same of a database in PostgreSQL."""
    found = {
        name
        for (name,) in database.all(
            "select relname from pg_class where relkind in ('r', 'p')"
            # Not the current schema: another one may have been made since, in front of it.
            " and relnamespace = (select relnamespace from pg_class"
            " where oid = to_regclass('api_key'))"
        )
    }
    return [*TABLES, *sorted(found - _OF_DATABASE - set(TABLES))]


def tables_of_file(file: sqlite3.Connection) -> list[str]:
    """The tables to copy, in an order in which rows come after those that they refer to.

    After those above, those of better-auth's plugins.
    """
    found = {
        name
        for (name,) in file.execute(
            "select name from sqlite_master where type = 'table' and name not like 'sqlite\\_%'"
            " escape '\\'"
        )
    }
    plugins = sorted(found - _OF_FILES - set(TABLES))
    return [name for name in (*BETTER_AUTH, *plugins, *OWN) if name in found]


def shared_columns(file: sqlite3.Connection, database: Session, table: str) -> list[Column]:
    """The columns of a table, each of which both databases have. Raises MoveRefused."""
    there = {column.name: column for column in columns_of_database(database, table)}
    names = columns_of_file(file, table)
    _require_columns(table, names, there)
    return [there[name] for name in names]


def require_plugins(file: sqlite3.Connection, database: Session, own: sqlite3.Connection) -> None:
    """Raise MoveRefused unless the database has what the file has of better-auth's plugins.

    It may still be without the tables of this project: `own` is a file that has only those.
    """
    for table in tables_of_file(file):
        there = [column.name for column in columns_of_database(database, table)]
        _require_columns(
            table, columns_of_file(file, table), {*there, *columns_of_file(own, table)}
        )


def _require_columns(table: str, names: Sequence[str], there: Collection[str]) -> None:
    missing = [name for name in names if name not in there]
    if not there:
        raise MoveRefused(
            f"the file has a table {table}, which is not this project's: let the program that it "
            "belongs to, such as better-auth, make its tables in the other database first"
        )
    if missing:
        raise MoveRefused(
            f"the table {table} has a column {missing[0]} in the file only: let the program that "
            "it belongs to, such as better-auth, make its tables in the other database first"
        )


def for_database(table: str, columns: Sequence[Column]) -> Callable[[Row], Row]:
    """Converts a row of SQLite to PostgreSQL's values. It raises MoveRefused."""
    converters = [
        (index, column.name, _FOR_DATABASE[column.type])
        for index, column in enumerate(columns)
        # This project's own tables are strict: their values have the types of their columns.
        if column.type in _FOR_DATABASE and table not in OWN
    ]

    def convert(row: Row) -> Row:
        if not converters:
            return row
        values = list(row)
        for index, name, converted in converters:
            value = values[index]
            if value is None:
                continue
            try:
                values[index] = converted(value)
            except UNREADABLE as error:
                raise MoveRefused(
                    f"the table {table}, row {row[0]!a}: {name} has a value that PostgreSQL cannot "
                    f"have there, as {columns[index].type}: correct it in the file"
                ) from error
        return values

    return convert


def for_file(row: Row) -> Row:
    """A row of PostgreSQL with SQLite's values: as better-auth writes them there."""
    return [value if type(value) in _OF_FILE else _for_file(value) for value in row]


def digest(rows: Iterable[Row]) -> tuple[int, str]:
    """How many rows these are, and a digest of them, whatever their order.

    The rows have the values of one of both databases. The digest is the sum of each row's SHA-256.
    """
    total = Digest()
    for row in rows:
        total.add(row)
    return total.result


class Digest:
    """The digest of rows that are added to it."""

    def __init__(self) -> None:
        self._count = 0
        self._sum = 0

    def add(self, row: Row) -> None:
        """Add a row."""
        text = orjson.dumps(tuple(row), option=orjson.OPT_UTC_Z, default=_text)
        self._sum += int.from_bytes(hashlib.sha256(text).digest(), "big")
        self._count += 1

    def adding(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows, each of which is added as it passes."""
        for row in rows:
            self.add(row)
            yield row

    @property
    def result(self) -> tuple[int, str]:
        """The number of rows, and the digest in hexadecimal."""
        return self._count, f"{self._sum % 2**256:064x}"


def _text(value: Any) -> str:
    """What JSON has no form of: bytes, and numbers of plugins' columns."""
    return value.hex() if isinstance(value, bytes) else str(value)


def _text_of(value: Any) -> str:
    # A plugin's column without a type has numbers as they were written.
    text = value if isinstance(value, str) else str(value)
    if isinstance(value, bytes) or "\0" in text:
        raise ValueError
    return text


def _moment(value: Any) -> datetime:
    return moment(value).astimezone(UTC)


def _naive(value: Any) -> datetime:
    return _moment(value).replace(tzinfo=None)


_FOR_DATABASE: dict[str, Callable[[Any], Any]] = {
    "text": _text_of,
    "character varying": _text_of,
    "boolean": is_true,
    "timestamp with time zone": _moment,
    "timestamp without time zone": _naive,
    "integer": int,
    "bigint": int,
    "smallint": int,
}

#: The types of values that SQLite has as well.
_OF_FILE = {str, int, float, bytes, type(None)}


def _for_file(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, datetime):
        return to_text(value if value.tzinfo else value.replace(tzinfo=UTC))
    if isinstance(value, list | dict):
        return orjson.dumps(value, default=str).decode()
    # Of plugins' columns: numeric, uuid and others.
    return str(value)
