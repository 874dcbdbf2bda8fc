"""Archives of the audit log: the rows that a prune removes, as JSON Lines.

Each line is a row as canonical JSON (RFC 8785) with its hash as an additional member. A line
without its hash is what the hash covers, after the hash of the row before it; docs/audit-log.md
describes both.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import orjson

from hookstream_keys.store import chain
from hookstream_keys.store.errors import ArchiveRefused
from hookstream_keys.store.records import ChainCheck, ChainFault

_MEMBERS = (*chain.COLUMNS, "hash")


def write(file: BinaryIO, rows: Iterable[chain.Row]) -> int:
    """Write rows to an archive. Returns how many."""
    count = 0
    for row in rows:
        line = orjson.dumps(dict(zip(_MEMBERS, row, strict=True)), option=orjson.OPT_SORT_KEYS)
        file.write(line + b"\n")
        count += 1
    return count


def read(paths: Sequence[Path]) -> Iterator[chain.Row]:
    """The rows of archives, one archive after the other. Raises ArchiveRefused."""
    for path in paths:
        try:
            if not path.is_file():
                raise ArchiveRefused(f"cannot read the archive {path}: it is not a regular file")
            with path.open("rb") as file:
                for number, line in enumerate(file, start=1):
                    yield _row(line, path, number)
        except OSError as error:
            raise ArchiveRefused(f"cannot read the archive {path}: {error.strerror}") from error


def _merged(paths: Sequence[Path]) -> Iterator[chain.Row]:
    """The rows of archives in the order of `seq`; equal rows of several come once.

    Archives overlap where a prune was interrupted and another one continued. Rows that differ or
    are out of order are all returned: they are no valid chain.
    """
    last = None
    for row in heapq.merge(*(read([path]) for path in paths), key=_seq):
        # Compared as written: 1 and 1.0 are equal, but not the same row.
        text = repr(row)
        if text != last:
            yield row
        last = text


def _seq(row: chain.Row) -> int:
    return row[0] if isinstance(row[0], int) else 0


def check(
    paths: Sequence[Path],
    log: Callable[[], Iterable[chain.Row]],
    head: tuple[object, object] | None,
    expected_head: str | None,
    anchor: chain.Anchor,
    visit: Callable[[chain.Row], None] | None = None,
) -> ChainCheck:
    """Follow archives and the log behind them as one chain; otherwise as `chain.check`.

    An interrupted prune leaves rows that are also in its archive: rows after the anchor are read
    from the log, and the archive must agree. Raises ArchiveRefused.
    """
    found = {expected_head: False, anchor.hash: anchor == chain.BEGINNING}

    def look(row: chain.Row) -> None:
        if row[-1] in found:
            found[row[-1]] = True
        if visit is not None and row[0] <= anchor.seq:
            visit(row)

    archived = chain.walk(lambda: _merged(paths), chain.BEGINNING, look)
    fault = archived.fault or _gap(archived, anchor, is_joined=found[anchor.hash])
    if fault is not None:
        fault = ChainFault(fault.problem, fault.seq, fault.id, f"in the archives: {fault.message}")
        return ChainCheck(archived.seq, archived.hash.hex(), fault)
    last, is_joined = archived.hash.hex(), archived.seq == anchor.seq

    def look_at_log(row: chain.Row) -> None:
        nonlocal is_joined
        is_joined = is_joined or (row[0] == archived.seq and row[-1] == last)
        if visit is not None:
            visit(row)

    checked = chain.check(
        log, head, None if found[expected_head] else expected_head, anchor, look_at_log
    )
    fault = checked.fault
    if fault is None and not is_joined:
        fault = ChainFault("changed", archived.seq, None, _ANOTHER)
    return ChainCheck(checked.seq, checked.head, fault)


_ANOTHER = "the archives are not of this log"


def _gap(archived: chain.Walk, anchor: chain.Anchor, *, is_joined: bool) -> ChainFault | None:
    if archived.seq < anchor.seq:
        missing = chain.rows_are(archived.seq + 1, anchor.seq)
        return ChainFault("removed", archived.seq + 1, None, f"{missing} in none that was given")
    return None if is_joined else ChainFault("changed", anchor.seq, None, _ANOTHER)


def _row(line: bytes, path: Path, number: int) -> chain.Row:
    try:
        values = orjson.loads(line)
    except orjson.JSONDecodeError:
        values = None
    if not isinstance(values, dict) or values.keys() != set(_MEMBERS):
        raise ArchiveRefused(
            f"line {number} of {path} is not a row of an audit log: each is a JSON object with the "
            f"members {', '.join(sorted(_MEMBERS))}"
        )
    return tuple(values[name] for name in _MEMBERS)
