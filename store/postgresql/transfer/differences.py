"""What differs between two files of one database, as changes of that database.

So the operator's commands that change much, such as a restore, are written once, for a file: they
run on a file of the database, and their outcome is applied to it in one transaction.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from hookstream_keys.store import chain
from hookstream_keys.store.errors import StoreUnavailable
from hookstream_keys.store.postgresql import audit_check, background
from hookstream_keys.store.postgresql.connection import Connection
from hookstream_keys.store.postgresql.session import Session
from hookstream_keys.store.postgresql.transfer import tables
from hookstream_keys.store.postgresql.transfer.tables import Column
from hookstream_keys.store.records import AuditEvent
from hookstream_keys.store.sql.audit import insert_event
from hookstream_keys.store.sqlite.connection import connect
from hookstream_keys.store.sqlite.restore_rows import differ, listed, quoted

_COLUMNS = ", ".join(chain.COLUMNS)
# Constants; values are bound.
_ADDED = f"""
    select {_COLUMNS} from after.audit_log
    where seq > (select seq from main.audit_head) order by seq
"""  # noqa: S608
_PRUNED = """
    select id from main.audit_log
    where seq > (select seq from main.audit_anchor) and seq <= (select seq from after.audit_anchor)
"""
_REMOVE = """
    with gone as (delete from audit_log where id = any($1) returning org_id, seq, hash)
    select distinct on (org_id) org_id, seq, hash from gone, lateral (select seq as last from
        audit_trunk) t where seq > last order by org_id, seq desc
"""
_CHAIN_BEGINS = """
    insert into audit_chain_anchor (org_id, seq, hash) values ($1, $2, $3)
    on conflict (org_id) do update set seq = excluded.seq, hash = excluded.hash
    where excluded.seq > audit_chain_anchor.seq
"""
#: Those whose events are gone prove nothing.
_FORGET_SEALS = """
    delete from audit_seal s where not exists (select 1 from audit_log l where l.id = s.seal)
"""
_MOVE_ANCHOR = "update audit_anchor set seq = $1, hash = $2 where seq = $3"

_PAGE = 2_000


def apply(database: Session, before: Path, after: Path) -> None:
    """Change the database, of which `before` is a file, as `after` was changed since.

    In a transaction, in which the changed rows are as in `before`. Raises StoreUnavailable when
    another prune has removed rows meanwhile.
    """
    with closing(connect(str(before))) as files:
        files.execute("attach ? as after", (str(after),))
        changes = [_Changes(files, database, name) for name in tables.TABLES]
        for each in reversed(changes):
            each.delete()
        for each in changes:
            each.update()
        for each in changes:
            each.insert()
        _prune(files, database)
        _add_events(files, database)


class _Changes:
    """What differs in a table."""

    def __init__(self, files: sqlite3.Connection, database: Session, name: str) -> None:
        self._files = files
        self._database = database
        self._name = name
        self._columns: Sequence[Column] = tables.shared_columns(files, database, name)
        found = files.execute(f"pragma table_info({quoted(name)})").fetchall()
        self._key = [row[1] for row in sorted(found, key=lambda row: row[5]) if row[5]]
        self._same = " and ".join(f"a.{quoted(each)} = b.{quoted(each)}" for each in self._key)

    def delete(self) -> None:
        """Delete the rows that are gone."""
        statement = f"delete from {quoted(self._name)} where {self._where()}"  # noqa: S608
        self._for_each(statement, self._key, self._only_in("main", "after", self._key))

    def update(self) -> None:
        """Update the rows that have changed, in the columns that have."""
        if any(column.name == "slug" for column in self._columns):
            self._free_slugs()
        names = [column.name for column in self._columns]
        changed = self._files.execute(
            f"select {listed('b', names)}, {listed('a', names)}"  # noqa: S608
            f" from main.{quoted(self._name)} b join after.{quoted(self._name)} a on {self._same}"
            f" where {differ('a', 'b', names)}"
        )
        of_columns: dict[tuple[str, ...], list[list[Any]]] = {}
        for row in changed:
            old, new = row[: len(names)], row[len(names) :]
            differing = tuple(
                name for name, was, now in zip(names, old, new, strict=True) if was != now
            )
            values = dict(zip(names, new, strict=True))
            of_columns.setdefault(differing, []).append(
                [values[name] for name in (*self._key, *differing)]
            )
        for differing, rows in of_columns.items():
            first = len(self._key) + 1
            setting = ", ".join(
                f"{quoted(name)} = ${place}" for place, name in enumerate(differing, first)
            )
            statement = f"update {quoted(self._name)} set {setting} where {self._where()}"  # noqa: S608
            self._for_each(statement, (*self._key, *differing), iter(rows))

    def insert(self) -> None:
        """Insert the rows that are new."""
        names = [column.name for column in self._columns]
        places = ", ".join(f"${place}" for place in range(1, len(names) + 1))
        statement = (
            f"insert into {quoted(self._name)} ({tables.listed(self._columns)}) values ({places})"  # noqa: S608
        )
        self._for_each(statement, names, self._only_in("after", "main", names))

    def _free_slugs(self) -> None:
        """Two rows may have exchanged their slugs: each is unique."""
        rows = self._files.execute(
            f"select a.id from main.{quoted(self._name)} b"  # noqa: S608
            f" join after.{quoted(self._name)} a on a.id = b.id where a.slug <> b.slug"
        )
        statement = f"update {quoted(self._name)} set slug = 'moving-' || id where id = $1"  # noqa: S608
        self._for_each(statement, ["id"], rows)

    def _only_in(self, schema: str, other: str, names: Sequence[str]) -> Iterator[Any]:
        return self._files.execute(
            f"select {listed('b', list(names))} from {schema}.{quoted(self._name)} b"  # noqa: S608
            f" where not exists (select 1 from {other}.{quoted(self._name)} a where {self._same})"
        )

    def _where(self) -> str:
        return " and ".join(f"{quoted(name)} = ${i}" for i, name in enumerate(self._key, 1))

    def _for_each(self, statement: str, names: Sequence[str], rows: Iterator[Any]) -> None:
        types = {column.name: column for column in self._columns}
        convert = tables.for_database(self._name, [types[name] for name in names])
        while page := list(map(convert, islice(rows, _PAGE))):
            background.run(self._database.driver.executemany(statement, page))


def _prune(files: sqlite3.Connection, database: Session) -> None:
    """Remove the events that were pruned, and let their chains begin later."""
    before, after = (
        files.execute(f"select seq, hash from {schema}.audit_anchor").fetchone()  # noqa: S608
        for schema in ("main", "after")
    )
    if before == after:
        return
    if database.execute(_MOVE_ANCHOR, *after, before[0]) != "UPDATE 1":
        raise StoreUnavailable("another prune is running; run only one at a time")
    ids = files.execute(_PRUNED)
    while page := [row[0] for row in islice(ids, _PAGE)]:
        for begin in database.all(_REMOVE, page):
            database.execute(_CHAIN_BEGINS, *begin)
    database.execute(_FORGET_SEALS)


def _add_events(files: sqlite3.Connection, database: Session) -> None:
    """Add the new events, each to the chain of its organization."""
    pruned_chains = audit_check.anchors_digest(database)
    connection = Connection(database.driver)
    for row in files.execute(_ADDED):
        values = dict(zip(chain.COLUMNS, row, strict=True))
        del values["seq"]
        values["details"] = orjson.loads(values["details"])
        if values["action"] == chain.PRUNED:
            values["details"]["chains"] = pruned_chains
        background.run(insert_event(connection, AuditEvent(**values)))
    background.run(connection.finish())
