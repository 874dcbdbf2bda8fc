"""The version of SQLite that the store needs."""

import sqlite3

from hookstream_keys.store.errors import UnsupportedDatabase

#: The first with strict tables (https://sqlite.org/stricttables.html).
OLDEST = (3, 37, 0)


def require_version() -> None:
    """Refuse a library that is too old. Raises UnsupportedDatabase."""
    if sqlite3.sqlite_version_info < OLDEST:
        raise UnsupportedDatabase(
            f"Python here uses SQLite {sqlite3.sqlite_version}; 3.37 or later is needed: upgrade "
            "the system's library, libsqlite3, or run another Python"
        )
