"""Bounded scans: pages of a list at a bounded cost, however many and large its rows are.

A scan reads the entries of an index in the order of the list, at most `MAX_SCANNED` of them where
further conditions apply, which no index serves. Then it reads the rows that meet them, until they
have `MAX_BYTES`. A page that ends early has the position where it ended.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hookstream_keys.store.sql.connection import Engine, Row, Value
from hookstream_keys.store.sql.text import to_json

#: How many entries a scan reads at most: half a millisecond of work, or up to ten where the rows
#: that it has to look at are scattered over a large file.
MAX_SCANNED = 1_000
#: How much text the rows of a page have at most, in characters, unless the first has more.
MAX_BYTES = 256 * 1024
#: How many rows are read at once.
_CHUNK = 20


class Scan(NamedTuple):
    """Which rows of a table a scan reads, in which order, and which of them it keeps."""

    table: str
    #: Of the row `t`.
    columns: Sequence[str]
    #: Which of the columns, by its number, holds most of a row's text.
    largest: int
    #: The columns of the order, newest first: each stream has an index that ends in them.
    order: tuple[str, ...]
    #: Each an index, and the condition that selects an equal range of it. No row is in two.
    streams: Sequence[tuple[str, str]]
    #: What `streams` and `conditions` bind.
    values: Mapping[str, Value]
    #: Conditions on a row `t` of the table. Where there are none, a page ends early only at the
    #: end of the list.
    conditions: Sequence[str] = ()
    #: A condition on the row `t` where a page may end early. Without such a row, it is the end.
    resumable: str | None = None


class Scans(Engine):
    """Queries that are bounded scans."""

    async def scan(
        self, scan: Scan, before: tuple[Value, ...] | None, limit: int
    ) -> tuple[list[Row], Row | None]:
        """The next rows, at most `limit`.

        And the position where the scan ended, if it did before it had found as many.
        """
        values = {**scan.values, **_named(before or ())}
        most = limit if not scan.conditions else max(limit, MAX_SCANNED)
        scanned = f"with scanned as materialized ({_merged(scan, before, most)})"
        table = f"scanned s cross join {scan.table} t on t.rowid = s.row"
        names = [f"s.{name}" for name in scan.order]
        # All of these are constants of the callers; values are bound.
        found = await self.all(
            f"{scanned} select s.row, {', '.join(names)} from {table}"  # noqa: S608
            f" where {' and '.join(('true', *scan.conditions))}"
            f" order by {_descending(names)} limit {limit:d}",
            values,
        )
        rows, count = await self._read(scan, [row[0] for row in found])
        if count < len(found) or len(rows) < len(found) == limit:
            return rows, found[count - 1][1:]
        if len(rows) == limit or not scan.conditions:
            return rows, None
        # The last row that was read. If fewer were read than are at most, the list has ended.
        # Without a condition the index has all of it.
        source = "scanned s" if scan.resumable is None else table
        position = await self.one(
            f"{scanned} select {', '.join(names)} from {source}"  # noqa: S608
            f" where (select count(*) from scanned) = {most:d} and {scan.resumable or 'true'}"
            f" order by {', '.join(names)} limit 1",
            values,
        )
        return rows, position

    async def _read(self, scan: Scan, ids: Sequence[int]) -> tuple[list[Row], int]:
        """The rows of the first of these ids, up to `MAX_BYTES`, and of how many ids they are."""
        wanted = ", ".join(scan.columns)
        sql = (
            f"select t.rowid, {wanted} from {scan.table} t"  # noqa: S608 - constants
            " where t.rowid in (select value from json_each(?))"
        )
        rows: list[Row] = []
        size = count = 0
        for begin in range(0, len(ids), _CHUNK):
            chunk = ids[begin : begin + _CHUNK]
            by_id = {row[0]: row[1:] for row in await self.all(sql, (to_json(chunk),))}
            for each in chunk:
                # A row that was deleted meanwhile is in none.
                row = by_id.get(each)
                if row is not None:
                    size += len(row[scan.largest])
                    if size > MAX_BYTES and rows:
                        return rows, count
                    rows.append(row)
                count += 1
        return rows, count


def _merged(scan: Scan, before: tuple[Value, ...] | None, most: int) -> str:
    """The first entries of all streams, in one order: SQLite merges them."""
    names = ", ".join(scan.order)
    after = ""
    if before is not None:
        after = f" and ({names}) < ({', '.join(f':{name}' for name in _named(before))})"
    streams = " union all ".join(
        f"select rowid as row, {names} from {scan.table} indexed by {index}"  # noqa: S608
        f" where {condition}{after}"
        for index, condition in scan.streams
    )
    return f"{streams} order by {_descending(scan.order)} limit {most:d}"


def _named(position: Sequence[Value]) -> dict[str, Value]:
    return {f"before_{number}": value for number, value in enumerate(position)}


def _descending(names: Sequence[str]) -> str:
    return ", ".join(f"{name} desc" for name in names)
