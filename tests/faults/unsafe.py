"""`hookstream-keys` as it must not be: SQLite's `synchronous` is what UNSAFE_SYNCHRONOUS says.

Shows that a power loss, as it is played back here, loses keys of a server that does not wait for
the disk.
"""

import os

from hookstream_keys.cli import main
from hookstream_keys.store.sqlite.connection import Connection
from hookstream_keys.store.sqlite.engine import SqliteEngine

_open = SqliteEngine._open


def _open_unsafe(self: SqliteEngine, *, create: bool) -> Connection:
    connection = _open(self, create=create)
    connection.execute(f"pragma synchronous = {os.environ['UNSAFE_SYNCHRONOUS']}")
    return connection


if __name__ == "__main__":
    SqliteEngine._open = _open_unsafe  # type: ignore[method-assign]
    main()
