"""The audit log's hash chain, whatever the engine; docs/audit-log.md explains it.

Each row's hash covers the row and the hash of the row before it, so that a row
cannot be changed, removed or moved without every later hash being wrong.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

from hookstream_keys.store.records import ChainCheck, ChainFault

#: What stands for the hash of the row before the first.
GENESIS = bytes(32)

#: Everything of a row that its hash covers, in the order in which `check` is given it.
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


def link(previous: bytes, row: Mapping[str, Any]) -> bytes:
    """The hash of a row whose predecessor has the hash `previous`.

    SHA-256 over `previous` and the row's stored values as canonical JSON (RFC 8785, which
    for texts, whole numbers and null is what is written here). Released databases are
    full of these: it never changes.
    """
    return hashlib.sha256(previous + orjson.dumps(row, option=orjson.OPT_SORT_KEYS)).digest()


def check(
    read: Callable[[], Iterable[Row]], head: tuple[Any, Any] | None, kept: str | None
) -> ChainCheck:
    """Follow the chain from its beginning and report the first thing that is wrong, if any.

    `read` gives all rows in the order of `seq`, afresh each time, from one moment; `head`
    is what the database says of the last row, its `seq` and hash; `kept` is the hash that
    an operator kept of an earlier head.
    """
    previous, count = GENESIS, 0
    found_kept = kept in (None, GENESIS.hex())
    for row in read():
        if row[0] != count + 1 or _hash(previous, row, count + 1) != row[-1]:
            return ChainCheck(count, previous.hex(), _fault(read, row, previous, count + 1))
        previous, count = bytes.fromhex(row[-1]), count + 1
        found_kept = found_kept or row[-1] == kept
    fault = _fault_of_head(head, count, previous)
    if fault is None and not found_kept:
        fault = ChainFault(
            "head",
            count,
            None,
            "the head that was kept is not in the chain: rows were removed at its end, or "
            "the chain was written anew, or an older database was put back",
        )
    return ChainCheck(count, previous.hex(), fault)


def _hash(previous: bytes, row: Row, seq: int) -> str | None:
    """What the stored hash of `row` must be, were it at `seq`; None if no row can be like that."""
    try:
        return link(previous, dict(zip(COLUMNS, (seq, *row[1:-1]), strict=True))).hex()
    except (TypeError, ValueError):
        # A value that no version has ever written: bytes, or a text that is no UTF-8.
        return None


def _fault(read: Callable[[], Iterable[Row]], row: Row, previous: bytes, seq: int) -> ChainFault:
    """What is wrong at `seq`, where `row` was met although it does not continue the chain."""
    number = row[0] if isinstance(row[0], int) else seq
    row_id = row[1] if isinstance(row[1], str) else None
    changed = ChainFault(
        "changed", number, row_id, "its hash does not follow from it and the row before it"
    )
    if number < seq:
        return changed
    # A row that was moved is whole but for its number: given the right one, its hash fits.
    place = next((other[0] for other in read() if _hash(previous, other, seq) == other[-1]), None)
    if place is not None:
        message = f"the row that belongs here is at seq {place}"
        return ChainFault("reordered", seq, row_id if number == seq else None, message)
    if number > seq:
        missing = f"rows {seq} to {number - 1} are" if number - 1 > seq else f"row {seq} is"
        return ChainFault("removed", seq, None, f"{missing} missing")
    return changed


def _fault_of_head(head: tuple[Any, Any] | None, count: int, last: bytes) -> ChainFault | None:
    """What is wrong between the last row and what the database keeps of it beside the log."""
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
