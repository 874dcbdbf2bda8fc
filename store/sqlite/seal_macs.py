"""The HMACs of a seal: over the bytes of a backup, its schema, and each of its tables.

All are HMAC-SHA256 (RFC 2104), each with a key of its own.
"""

import hashlib
import hmac
import sqlite3
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

#: The table of the seal. No live database has it.
TABLE = "backup_seal"

#: Of what a seal covers: the bytes of the file, the schema, and each table by its name.
FILE, SCHEMA, ROWS = "file", "schema", "table "

SIZE = hashlib.sha256().digest_size

#: By each part, how many rows it has, and its HMAC.
Seal = dict[str, tuple[int, bytes]]

_TABLES = """
    select name from sqlite_master where type = 'table' and name <> ? and rootpage <> 0
    order by name
"""
_CHUNK = 1024 * 1024


def of_parts(connection: sqlite3.Connection, key: bytes) -> Seal:
    """The HMAC of each part but the file, and how many rows it has."""
    # Text that is not UTF-8 is sealed as bytes.
    connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    names = [row[0] for row in connection.execute(_TABLES, (TABLE,))]
    parts = {ROWS + name: _of_rows(key, ROWS + name, _table(connection, name)) for name in names}
    return {SCHEMA: _of_rows(key, SCHEMA, _schema(connection)), **parts}


def _table(connection: sqlite3.Connection, name: str) -> Iterator[tuple[Any, ...]]:
    """The names of a table's columns, and its rows in the order of its primary key."""
    quoted = '"' + name.replace('"', '""') + '"'
    columns = connection.execute(f"pragma table_info({quoted})").fetchall()
    yield tuple(column[1] for column in columns)
    in_key = sorted((column[5], column[1]) for column in columns if column[5])
    order = ", ".join('"' + column.replace('"', '""') + '"' for _, column in in_key) or "rowid"
    yield from connection.execute(f"select * from {quoted} order by {order}")  # noqa: S608


def _schema(connection: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    for setting in ("user_version", "application_id", "encoding"):
        yield (setting, *connection.execute(f"pragma {setting}").fetchone())
    yield from connection.execute(
        "select type, name, tbl_name, sql from sqlite_master where tbl_name <> ?"
        " order by type, name",
        (TABLE,),
    )


def _of_rows(key: bytes, part: str, rows: Iterator[tuple[Any, ...]]) -> tuple[int, bytes]:
    """How many rows a part has, and their HMAC, each value with its type and length."""
    mac = hmac.new(_derived(key, part), digestmod=hashlib.sha256)
    # The first is the names of the columns.
    count = -1
    for row in rows:
        count += 1
        mac.update(b"%d[" % len(row) + b"".join([_ENCODED[type(value)](value) for value in row]))
    return count, mac.digest()


def _text(value: str) -> bytes:
    encoded = value.encode("utf-8", "surrogateescape")
    return b"t%d:%s" % (len(encoded), encoded)


_ENCODED: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"n",
    int: lambda value: b"i%d;" % value,
    float: lambda value: b"r" + struct.pack(">d", value),
    str: _text,
    bytes: lambda value: b"b%d:%s" % (len(value), value),
}


def of_file(path: Path, key: bytes, offset: int) -> bytes:
    """The HMAC of an offset, and of the file's bytes with the HMAC there taken as zeros."""
    mac = hmac.new(_derived(key, FILE), b"%d;" % offset, hashlib.sha256)
    position = 0
    with path.open("rb") as file:
        while chunk := bytearray(file.read(_CHUNK)):
            begin, end = max(offset - position, 0), min(offset + SIZE - position, len(chunk))
            if begin < end:
                chunk[begin:end] = bytes(end - begin)
            mac.update(chunk)
            position += len(chunk)
    return mac.digest()


def offset_of(path: Path, wanted: bytes) -> int | None:
    """Where the file has these bytes; None unless it has them once."""
    found: list[int] = []
    position, rest = 0, b""
    if not wanted:
        return None
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            window = rest + chunk
            at = window.find(wanted)
            while at >= 0:
                found.append(position - len(rest) + at)
                at = window.find(wanted, at + 1)
            position += len(chunk)
            rest = window[-(len(wanted) - 1) :]
    return found[0] if len(found) == 1 else None


def _derived(key: bytes, part: str) -> bytes:
    """A separate key for each part, so that the HMAC of one is not valid for another."""
    return hmac.digest(
        key, b"hookstream-keys backup 1 " + part.encode(errors="surrogateescape"), hashlib.sha256
    )
