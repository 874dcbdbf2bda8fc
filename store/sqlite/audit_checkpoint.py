"""Checkpoints: the state that pruned rows of the audit log describe.

A prune stores the state after the removed rows, and its event has a SHA-256 of each kind of rows
in that. The event is in the chain, so a changed checkpoint is found. The replay of the remaining
rows begins with it, so that the state can still be checked.
"""

import hashlib
import secrets
import sqlite3
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import orjson

from hookstream_keys.store import chain
from hookstream_keys.store.expected_state import ExpectedState, Kind, Presence, Stored
from hookstream_keys.store.sqlite import state_rows
from hookstream_keys.store.sqlite.connection import Connection, transaction

#: How many rows are stored or deleted in one transaction, for which other writers wait.
BATCH = 2_000

_COLUMNS = "id, org_id, presence, since, is_complete, fields"
# Constants; values are bound.
_READ = (
    f"select {_COLUMNS} from audit_checkpoint"  # noqa: S608
    " where checkpoint = ? and kind = ? order by id"
)
_ADD = (
    f"insert into audit_checkpoint (checkpoint, kind, {_COLUMNS})"  # noqa: S608
    " values (?, ?, ?, ?, ?, ?, ?, ?)"
)
_DELETE = """
    delete from audit_checkpoint where (checkpoint, kind, id) in (
        select checkpoint, kind, id from audit_checkpoint where checkpoint = ? limit ?)
"""
_NAMES = "select distinct checkpoint from audit_checkpoint"
_LAST_PRUNE = """
    select seq, details from audit_log where org_id = '' and action = ? order by seq desc limit 1
"""
#: The SHA-256 of no rows.
_NO_ROWS = hashlib.sha256().hexdigest()


class Checkpoint(NamedTuple):
    """The checkpoint of the last prune, by its event."""

    name: str
    #: The `seq` of the last event in it.
    through_seq: int
    #: The event.
    seq: int
    #: The SHA-256 of the rows of each kind, in hexadecimal.
    digests: dict[str, Any]
    #: The time of the last pruned event that is not in it; None if all are.
    unknown_until: str | None


def find(connection: sqlite3.Connection) -> Checkpoint | None:
    """The checkpoint of the last prune; None where there was none, or by an earlier version."""
    row = connection.execute(_LAST_PRUNE, (chain.PRUNED,)).fetchone()
    try:
        seq, details = row[0], orjson.loads(row[1])
        state = details["state"]
        name, digests, until = state["checkpoint"], state["sha256"], state["unknown_until"]
        through = details["through_seq"]
    except (TypeError, ValueError, KeyError):
        return None
    if not isinstance(digests, dict) or not isinstance(through, int):
        return None
    return Checkpoint(str(name), through, seq, digests, until)


def changed(connection: sqlite3.Connection, checkpoint: Checkpoint) -> Iterator[tuple[Kind, str]]:
    """The kinds whose rows differ from the event's SHA-256, and that of the rows."""
    for kind in state_rows.TABLES:
        digest = _digest(connection.execute(_READ, (checkpoint.name, kind)))
        # Of a kind that an earlier version did not have there are no rows.
        if digest != checkpoint.digests.get(kind, _NO_ROWS):
            yield kind, digest


def load(connection: sqlite3.Connection, checkpoint: Checkpoint, state: ExpectedState) -> None:
    """Load a checkpoint into the state."""
    for kind in state_rows.TABLES:
        for row in connection.execute(_READ, (checkpoint.name, kind)):
            state.put_stored(kind, row)


def names(connection: sqlite3.Connection) -> list[str]:
    """All stored checkpoints: that of the last prune, and those of interrupted ones."""
    return [row[0] for row in connection.execute(_NAMES)]


def store(connection: Connection, state: ExpectedState) -> tuple[str, dict[str, str]]:
    """Store a state, in short transactions between other writers. Returns its name and digests.

    It is not used until an event has its digests.
    """
    name = secrets.token_hex(8)
    for kind in state_rows.TABLES:
        rows = (_reduced(connection, kind, row) for row in state.stored(kind))
        while page := list(islice(rows, BATCH)):
            begun = time.monotonic()
            with transaction(connection):
                connection.executemany(_ADD, ((name, kind, *row) for row in page))
            _let_others_write(begun, len(page))
    digests: dict[str, str] = {
        kind: _digest(connection.execute(_READ, (name, kind))) for kind in state_rows.TABLES
    }
    return name, digests


def forget(connection: Connection, checkpoints: Iterable[str]) -> None:
    """Delete checkpoints, in short transactions between other writers."""
    for name in checkpoints:
        removed = BATCH
        while removed:
            begun = time.monotonic()
            with transaction(connection):
                removed = connection.execute(_DELETE, (name, BATCH)).rowcount
            _let_others_write(begun, removed)


def _reduced(connection: sqlite3.Connection, kind: Kind, row: Stored) -> Stored:
    """The row; of a removed one only that it was removed.

    Only a restore brings it back, and its event has all fields.
    """
    row_id, org_id, presence, since, is_complete, fields = row
    if presence == Presence.LIVES or state_rows.exists(connection, kind, row_id):
        return row
    gone = {name: value for name, value in orjson.loads(fields).items() if name == "gone"}
    return row_id, org_id, int(Presence.GONE), since, is_complete, orjson.dumps(gone).decode()


def _digest(rows: Iterable[Stored]) -> str:
    """SHA-256 over the rows as JSON arrays, a line each."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(orjson.dumps(row) + b"\n")
    return digest.hexdigest()


def _let_others_write(begun: float, rows: int) -> None:
    """Wait as long as the transaction took, so that writers that poll get the lock."""
    if rows == BATCH:
        time.sleep(time.monotonic() - begun)
