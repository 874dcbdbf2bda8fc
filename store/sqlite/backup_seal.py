"""The seal of a backup: HMACs over all of it, with keys that are derived from the signing secret.

They are in a table of the backup. One covers the bytes of the file, so that any change is found: it
is computed with the bytes of the HMAC itself as zeros. The others cover the schema, and the column
names and rows of a table each: they tell *what* was changed where the first is not valid.

All are HMAC-SHA256 (RFC 2104) and are compared in constant time.
"""

import hmac
import os
import secrets
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from hookstream_keys.store.errors import BackupRefused, SealRefused
from hookstream_keys.store.records import SealKeys
from hookstream_keys.store.sqlite import seal_macs
from hookstream_keys.store.sqlite.seal_macs import FILE, ROWS, SCHEMA, SIZE, TABLE, Seal

_CREATE = f"""
    create table {TABLE} (
        part text primary key,
        rows integer not null,
        hmac blob not null check (length(hmac) = {SIZE})
    ) strict
"""
#: Not a view, whose code would run.
_IS_TABLE = "select 1 from sqlite_master where type = 'table' and name = ? and rootpage <> 0"
_ADD = f"insert into {TABLE} (part, rows, hmac) values (?, ?, ?)"  # noqa: S608 - a constant
_READ = f"select part, rows, hmac from {TABLE}"  # noqa: S608 - a constant


def seal(path: Path, key: bytes) -> None:
    """Seal a backup in place; no other process has it open. Raises BackupRefused."""
    placeholder = secrets.token_bytes(SIZE)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # It is deleted if this fails, so it needs no journal.
        connection.execute("pragma journal_mode = memory")
        connection.execute("begin immediate")
        # From a backup that was copied over a database by hand.
        connection.execute(f"drop table if exists {TABLE}")
        parts = seal_macs.of_parts(connection, key)
        connection.execute(_CREATE)
        connection.executemany(_ADD, ((part, *value) for part, value in parts.items()))
        # Last: rebuilding a page later might leave a second copy of it.
        connection.execute(_ADD, (FILE, 0, placeholder))
        connection.execute("commit")
    with path.open("r+b") as file:
        offset = seal_macs.offset_of(path, placeholder)
        if offset is None:
            raise BackupRefused(f"{path} cannot be sealed; try again")
        file.seek(offset)
        file.write(seal_macs.of_file(path, key, offset))
        file.flush()
        os.fsync(file.fileno())


def require(connection: sqlite3.Connection, path: Path, seal_keys: SealKeys) -> None:
    """Return where the backup's seal is valid by one of the keys. Raises SealRefused.

    `connection` is open on the file at `path`, which does not change meanwhile.
    """
    found, keys = _read(connection), seal_keys.keys
    if not found:
        raise SealRefused("has no seal: anyone who could write to it may have changed it")
    if not keys:
        raise SealRefused(
            "has a seal that cannot be checked: there is no signing secret. Set BETTER_AUTH_SECRET "
            "to what it was when the backup was made"
            + (seal_keys.source and f", or put back the file that was kept, {seal_keys.source}")
        )
    file_mac = found.get(FILE, (0, b""))[1]
    offset = seal_macs.offset_of(path, file_mac)
    if offset is not None and any(
        hmac.compare_digest(file_mac, seal_macs.of_file(path, key, offset)) for key in keys
    ):
        return
    raise SealRefused(_what_was_changed(connection, found, seal_keys))


def remove(connection: sqlite3.Connection) -> None:
    """Remove the seal from a copy, which becomes a live database."""
    connection.execute(f"drop table if exists {TABLE}")


def _read(connection: sqlite3.Connection) -> Seal:
    """The backup's seal; empty where it is missing or malformed."""
    if connection.execute(_IS_TABLE, (TABLE,)).fetchone() is None:
        return {}
    columns = connection.execute(f"pragma table_info({TABLE})").fetchall()
    if [column[1] for column in columns] != ["part", "rows", "hmac"]:
        return {}
    return {row[0]: (row[1], row[2]) for row in connection.execute(_READ) if _is_part(*row)}


def _is_part(part: Any, rows: Any, mac: Any) -> bool:
    is_mac = isinstance(mac, bytes) and len(mac) == SIZE
    return isinstance(part, str) and isinstance(rows, int) and is_mac


def _what_was_changed(connection: sqlite3.Connection, found: Seal, seal_keys: SealKeys) -> str:
    """What was changed, in words, by the HMACs of the parts."""
    for key in seal_keys.keys:
        parts = seal_macs.of_parts(connection, key)
        changed = sorted(
            part
            for part in (parts.keys() | found.keys()) - {FILE}
            if not _fits(parts.get(part), found.get(part))
        )
        # With another key none is valid.
        if len(changed) < len(parts.keys() | found.keys() - {FILE}):
            return _named(changed)
    return (
        "has a seal that does not fit: it was made with another signing secret than "
        f"{seal_keys.source}, or all of the seal was changed"
    )


def _fits(computed: tuple[int, bytes] | None, stored: tuple[int, bytes] | None) -> bool:
    if computed is None or stored is None:
        return False
    return computed[0] == stored[0] and hmac.compare_digest(computed[1], stored[1])


def _named(changed: list[str]) -> str:
    if not changed:
        return "was changed since it was sealed: not in a table, but elsewhere in the file"
    tables = [part.removeprefix(ROWS) for part in changed if part.startswith(ROWS)]
    named = [f"the table {name}" for name in tables]
    if SCHEMA in changed:
        named.append("the schema")
    return f"was changed since it was sealed: {', '.join(named)}"
