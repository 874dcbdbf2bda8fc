"""What the audit log says that the database holds: rows by their kind and id, kept on disk.

A log of a million events describes hundreds of thousands of rows. They are in a temporary SQLite
database, which is in memory as far as its cache goes and on the disk beyond that.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Literal

import orjson

#: The kinds of rows that are checked, each after those that it belongs to.
Kind = Literal["organization", "environment", "api_key", "rotation", "member"]

#: So much of it is in memory, in KiB.
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


#: A row as it is kept: its id, organization, presence, `since`, whether complete, fields as JSON.
Stored = tuple[str, str, int, int, int, str]


class Presence(IntEnum):
    """Whether a row must be there: it lives, it has ended and may be pruned, or it was removed."""

    GONE = 0
    ENDED = 1
    LIVES = 2


@dataclass(slots=True)
class Expected:
    """A row as the log tells of it."""

    kind: Kind
    id: str
    org_id: str
    presence: Presence
    #: The event that its presence follows from.
    since: int
    #: Whether an event told of its beginning. Else all that is known is what changed later.
    is_complete: bool
    #: The value of each field that an event told, and the `seq` of that event.
    fields: dict[str, tuple[Any, int]] = field(default_factory=dict)

    def tell(self, seq: int, values: Mapping[str, Any]) -> None:
        """Let an event tell fields."""
        for name, value in values.items():
            self.fields[name] = (value, seq)

    def value(self, name: str) -> Any:
        """The value of a field; None also where no event told it."""
        return self.fields.get(name, (None, 0))[0]


class ExpectedState:
    """The rows that the log tells of."""

    def __init__(self) -> None:
        # SQLite's name for a temporary file, which is gone when it is closed.
        self._connection = sqlite3.connect("", isolation_level=None)
        # Nothing of it is ever needed again after a crash.
        for setting in ("journal_mode = off", "synchronous = off", f"cache_size = -{_CACHE}"):
            self._connection.execute(f"pragma {setting}")
        self._connection.execute(_SCHEMA)
        # One that never ends: every commit would write what the cache has.
        self._connection.execute("begin")

    def close(self) -> None:
        """Delete it."""
        self._connection.close()

    def find(self, kind: Kind, row_id: str) -> Expected | None:
        """The row of this kind and id."""
        row = self._connection.execute(_FIND, (kind, row_id)).fetchone()
        return _expected(row) if row else None

    def put(self, row: Expected) -> None:
        """Add the row, or let it replace what is there."""
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
