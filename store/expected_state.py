"""The state that the audit log describes: rows by their kind and id, in a temporary database.

A log of a million events describes hundreds of thousands of rows. The temporary SQLite database is
in memory up to its cache's size, and on the disk beyond that.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Literal

import orjson

#: The kinds of rows that are checked, parents first.
Kind = Literal["organization", "environment", "api_key", "rotation", "member", "pending_deletion"]

#: The cache's size in KiB.
_CACHE = 65_536

_SCHEMA = """
    create table expected (
        kind text not null,
        id text not null,
        org_id text not null,
        presence integer not null,
        since integer not null,
        is_complete integer not null,
        fields text not null,
        primary key (kind, id)
    ) without rowid
"""
_COLUMNS = "kind, id, org_id, presence, since, is_complete, fields"
_FIND = f"select {_COLUMNS} from expected where kind = ? and id = ?"  # noqa: S608 - constants
_ALL = f"select {_COLUMNS} from expected where kind = ? order by id"  # noqa: S608 - constants
_PUT = f"insert or replace into expected ({_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608


#: A row as it is stored: its id, organization, presence, `since`, whether complete, fields as JSON.
Stored = tuple[str, str, int, int, int, str]


class Presence(IntEnum):
    """Whether a row must exist: it is active, it has ended and may be pruned, or was removed."""

    GONE = 0
    ENDED = 1
    LIVES = 2


@dataclass(slots=True)
class Expected:
    """A row as the log describes it."""

    kind: Kind
    id: str
    org_id: str
    presence: Presence
    #: The event that its presence follows from.
    since: int
    #: Whether an event recorded its creation. Otherwise only later changes are known.
    is_complete: bool
    #: The value of each recorded field, and the `seq` of its event.
    fields: dict[str, tuple[Any, int]] = field(default_factory=dict)

    def tell(self, seq: int, values: Mapping[str, Any]) -> None:
        """Set fields from an event."""
        for name, value in values.items():
            self.fields[name] = (value, seq)

    def value(self, name: str) -> Any:
        """The value of a field; None also where no event recorded it."""
        return self.fields.get(name, (None, 0))[0]


class ExpectedState:
    """The rows that the log describes."""

    def __init__(self) -> None:
        # SQLite's name for a temporary file, which is deleted when closed.
        self._connection = sqlite3.connect("", isolation_level=None)
        # It need not survive a crash.
        for setting in ("journal_mode = off", "synchronous = off", f"cache_size = -{_CACHE}"):
            self._connection.execute(f"pragma {setting}")
        self._connection.execute(_SCHEMA)
        # One transaction, never committed: a commit would write the cache.
        self._connection.execute("begin")

    def close(self) -> None:
        """Delete it."""
        self._connection.close()

    def find(self, kind: Kind, row_id: str) -> Expected | None:
        """The row of this kind and id."""
        row = self._connection.execute(_FIND, (kind, row_id)).fetchone()
        return _expected(row) if row else None

    def put(self, row: Expected) -> None:
        """Add or replace the row."""
        fields = orjson.dumps(row.fields).decode()
        values = (row.kind, row.id, row.org_id, row.presence, row.since, row.is_complete, fields)
        self._connection.execute(_PUT, values)

    def put_stored(self, kind: Kind, row: Stored) -> None:
        """Add a row that `stored` gave."""
        self._connection.execute(_PUT, (kind, *row))

    def stored(self, kind: Kind) -> Iterator[Stored]:
        """The rows of a kind as they can be kept, in the order of the bytes of their ids."""
        for row in self._connection.execute(_ALL, (kind,)):
            yield row[1:]

    def all(self, kind: Kind) -> Iterator[Expected]:
        """The rows of a kind, in the order of the bytes of their ids."""
        for row in self._connection.execute(_ALL, (kind,)):
            yield _expected(row)


def _expected(row: tuple[Any, ...]) -> Expected:
    kind, row_id, org_id, presence, since, is_complete, fields = row
    told = {name: (value, seq) for name, (value, seq) in orjson.loads(fields).items()}
    return Expected(kind, row_id, org_id, Presence(presence), since, bool(is_complete), told)
