"""The audit log's hash chain, whatever the engine; docs/audit-log.md explains it.

Each row's hash covers the row and the hash of the row before it, so that a row
cannot be changed, removed or moved without every later hash being wrong.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import orjson

from hookstream_keys.store.records import ChainCheck, ChainFault

#: The hash before the first row.
GENESIS = bytes(32)

#: The columns that a row's hash covers, in the order of `Row`.
COLUMNS = (
    "seq",
    "id",
    "org_id",
    "env_id",
    "user_id",
    "api_key_id",
    "action",
    "resource_type",
    "resource_id",
    "details",
    "ip_address",
    "request_id",
    "created_at",
)

#: The values of COLUMNS as they are stored, and the stored hash in hexadecimal.
Row = tuple[Any, ...]

#: The action of a prune's event, which names the last pruned row.
PRUNED = "audit_log.pruned"
#: The action of a seal's event, which has a digest of the heads of other chains.
SEALED = "audit_log.sealed"
#: The action of a move from another database.
MOVED = "database.moved"

_ACTION, _DETAILS = COLUMNS.index("action"), COLUMNS.index("details")


class Anchor(NamedTuple):
    """Where the remaining rows begin: after the row of this `seq` and hash, in hexadecimal."""

    seq: int
    hash: str


#: The anchor of a log that was never pruned.
BEGINNING = Anchor(0, GENESIS.hex())


def entry_hash(previous: bytes, row: Mapping[str, Any]) -> bytes:
    """The hash of a row whose predecessor has the hash `previous`.

    SHA-256 over `previous` and the row's stored values as canonical JSON (RFC 8785, for texts,
    integers and null). It never changes: released databases contain these hashes.
    """
    return hashlib.sha256(previous + orjson.dumps(row, option=orjson.OPT_SORT_KEYS)).digest()


class Walk(NamedTuple):
    """How far the chain is valid: through this `seq` and hash, to the first fault."""

    seq: int
    hash: bytes
    fault: ChainFault | None


def walk(
    read: Callable[[], Iterable[Row]], anchor: Anchor, visit: Callable[[Row], None] | None = None
) -> Walk:
    """Follow rows from an anchor to their end, or to the first fault.

    `read` returns all rows in the order of `seq`, anew each time, from one snapshot. `visit` is
    called with each row that continues the chain, and with no other.
    """
    previous, seq = bytes.fromhex(anchor.hash), anchor.seq
    for row in read():
        if row[0] != seq + 1 or _hash(previous, row, seq + 1) != row[-1]:
            return Walk(seq, previous, _fault(read, row, previous, seq + 1))
        previous, seq = bytes.fromhex(row[-1]), seq + 1
        if visit is not None:
            visit(row)
    return Walk(seq, previous, None)


def check(
    read: Callable[[], Iterable[Row]],
    head: tuple[Any, Any] | None,
    expected_head: str | None,
    anchor: Anchor = BEGINNING,
    visit: Callable[[Row], None] | None = None,
    origin: Anchor = BEGINNING,
) -> ChainCheck:
    """Follow the chain from its anchor and report the first fault, if any.

    `read` and `visit` are as for `walk`; `head` is the `seq` and hash of the last row in the
    database; `expected_head` is the hash of an earlier head that the operator stored. An anchor
    other than the `origin`, where the chain begins, is accepted only if an event of the chain
    records that prune.
    """
    found_kept = expected_head in (None, GENESIS.hex(), anchor.hash)
    found_prune = anchor == origin

    def look(row: Row) -> None:
        nonlocal found_kept, found_prune
        found_kept = found_kept or row[-1] == expected_head
        found_prune = found_prune or (row[_ACTION] == PRUNED and covers(row, anchor))
        if visit is not None:
            visit(row)

    seq, last, fault = walk(read, anchor, look)
    if fault is None:
        fault = _fault_of_head(head, seq, last)
    if fault is None and not found_prune:
        fault = ChainFault("removed", 1, None, _NOT_PRUNED.format(rows_are(1, anchor.seq)))
    if fault is None and not found_kept:
        fault = kept_head_is_missing(seq, anchor.seq - origin.seq)
    return ChainCheck(seq - anchor.seq, last.hex(), fault, anchor.seq - origin.seq)


def kept_head_is_missing(seq: int, pruned: int) -> ChainFault:
    """The fault that a kept head is in no row through `seq`, after so many pruned ones."""
    return ChainFault("head", seq, None, _KEPT_IS_MISSING + (_OR_PRUNED if pruned else ""))


_NOT_PRUNED = "{} missing, and no row says that the log was pruned"
_KEPT_IS_MISSING = (
    "the head that was kept is not in the chain: rows were removed at its end, or "
    "the chain was written anew, or an older database was put back"
)
_OR_PRUNED = "; if it is of a row that was pruned, give the archive as well, with --archive"


def covers(row: Row, anchor: Anchor) -> bool:
    """Whether a row of the chain says that the log was pruned through the anchor.

    A prune that was interrupted has removed fewer rows than its event says: the rest is in the
    chain, and was checked with it.
    """
    told = details(row)
    through = told.get("through_seq"), told.get("hash")
    if not isinstance(through[0], int) or through[0] >= row[0]:
        return False
    return through[0] > anchor.seq or through == anchor


def details(row: Row) -> dict[str, Any]:
    """The details of an event; none where they are malformed."""
    return details_of(row[_DETAILS])


def details_of(stored: Any) -> dict[str, Any]:
    """The same of the stored text."""
    try:
        told = orjson.loads(stored)
    except (TypeError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def rows_are(first: int, last: int) -> str:
    """The beginning of a sentence about rows."""
    return f"rows {first} to {last} are" if last > first else f"row {first} is"


def _hash(previous: bytes, row: Row, seq: int) -> str | None:
    """The expected hash of `row` at `seq`; None for a malformed row."""
    try:
        return entry_hash(previous, dict(zip(COLUMNS, (seq, *row[1:-1]), strict=True))).hex()
    except (TypeError, ValueError):
        # A value that no version writes: bytes, or text that is not UTF-8.
        return None


def _fault(read: Callable[[], Iterable[Row]], row: Row, previous: bytes, seq: int) -> ChainFault:
    """The fault at `seq`, where `row` does not continue the chain."""
    number = row[0] if isinstance(row[0], int) else seq
    row_id = row[1] if isinstance(row[1], str) else None
    changed = ChainFault(
        "changed", number, row_id, "its hash does not follow from it and the row before it"
    )
    if number < seq:
        return changed
    # A moved row is intact except for its `seq`: with the right one its hash is valid.
    place = next((other[0] for other in read() if _hash(previous, other, seq) == other[-1]), None)
    if place is not None:
        message = f"the row that belongs here is at seq {place}"
        return ChainFault("reordered", seq, row_id if number == seq else None, message)
    if number > seq:
        return ChainFault("removed", seq, None, f"{rows_are(seq, number - 1)} missing")
    return changed


def _fault_of_head(head: tuple[Any, Any] | None, count: int, last: bytes) -> ChainFault | None:
    """The fault between the last row and the head that the database stores."""
    if head == (count, last.hex()):
        return None
    if head is None:
        return ChainFault("head", count, None, "the head that the database keeps is gone")
    if isinstance(head[0], int) and head[0] > count:
        return ChainFault(
            "removed", count + 1, None, f"the log ends here, but its head is at seq {head[0]}"
        )
    return ChainFault(
        "head", count, None, "the head that the database keeps is not that of the last row"
    )
