"""Bounded scans: pages of rows that meet conditions which no index serves.

A scan reads the rows of an index in the order of the list, at most `MAX_SCANNED` of them, and keeps
those that meet the conditions. So the cost of a page does not depend on how many rows there are. A
page that ends early has the position of the last row that was read.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hookstream_keys.store.sqlite.engine import Engine, Row, Value

#: How many rows a scan reads at most: half a millisecond's worth.
MAX_SCANNED = 1_000


class Scan(NamedTuple):
    """Which rows of a table a scan reads, in which order, and which of them it keeps."""

    table: str
    #: The columns of the order, newest first: each stream has an index that ends in them.
    order: tuple[str, ...]
    #: Each an index, and the condition that selects an equal range of it. No row is in two.
    streams: Sequence[tuple[str, str]]
    #: What `streams` and `conditions` bind.
    values: Mapping[str, Value]
    #: Conditions on a row `t` of the table. Where there are none, a page ends early only at the
    #: end of the list.
    conditions: Sequence[str] = ()
    #: A condition on the row where a page may end early; without such a row, it is the end.
    resumable: str = "true"


class Scans(Engine):
    """Queries that are bounded scans."""

    def scan(
        self, columns: str, scan: Scan, before: tuple[Value, ...] | None, limit: int
    ) -> tuple[list[Row], Row | None]:
        """The next `limit` rows of `columns` of `t`, and the position that the scan ended at.

        The position is None unless the scan ended before it had found as many.
        """
        values = dict(scan.values)
        for number, value in enumerate(before or ()):
            values[f"before_{number}"] = value
        most = limit if not scan.conditions else max(limit, MAX_SCANNED)
        scanned = f"with scanned as materialized ({_merged(scan, before, most)})"
        table = f"scanned s cross join {scan.table} t on t.rowid = s.row"
        # All of these are constants of the callers; values are bound.
        rows = self.all(
            f"{scanned} select {columns} from {table}"  # noqa: S608
            f" where {' and '.join(('true', *scan.conditions))}"
            f" order by {_descending(scan, 's.')} limit {limit:d}",
            values,
        )
        if len(rows) == limit or not scan.conditions:
            return rows, None
        names = [f"s.{name}" for name in scan.order]
        # The last row that was read. If fewer were read than are at most, the list has ended.
        position = self.one(
            f"{scanned} select {', '.join(names)} from {table}"  # noqa: S608
            f" where (select count(*) from scanned) = {most:d} and {scan.resumable}"
            f" order by {', '.join(names)} limit 1",
            values,
        )
        return rows, position


def _merged(scan: Scan, before: tuple[Value, ...] | None, most: int) -> str:
    """The first rows of all streams, in one order: SQLite merges them."""
    names = ", ".join(scan.order)
    after = ""
    if before is not None:
        places = ", ".join(f":before_{number}" for number, _ in enumerate(before))
        after = f" and ({names}) < ({places})"
    streams = " union all ".join(
        f"select rowid as row, {names} from {scan.table} indexed by {index}"  # noqa: S608
        f" where {condition}{after}"
        for index, condition in scan.streams
    )
    return f"{streams} order by {_descending(scan)} limit {most:d}"


def _descending(scan: Scan, table: str = "") -> str:
    return ", ".join(f"{table}{name} desc" for name in scan.order)
