"""A sandbox's database: marked, so that no server uses it, and reset from a snapshot in memory."""

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlite_utils import Database

from hookstream_keys.store.sqlite import SqliteStore
from hookstream_keys.store.sqlite.engine import SANDBOX_APPLICATION_ID, create_private, translated


class SandboxStore(SqliteStore):
    """A store on a sandbox's database at `path`, which is created if it does not exist."""

    application_id = SANDBOX_APPLICATION_ID

    def migrate(self) -> list[str]:
        """Create the database and mark it.

        Raises StoreUnavailable for a database that is not a sandbox's.
        """
        create_private(self._path)
        with translated(), closing(sqlite3.connect(self._path)) as connection:
            if not Database(connection).table_names():
                connection.execute(f"pragma application_id = {SANDBOX_APPLICATION_ID}")
        return super().migrate()


class Snapshot:
    """All that is in the database at `path` now, kept in memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # The event loop's thread restores what another thread may have copied.
        self._copy = sqlite3.connect(":memory:", check_same_thread=False)
        with translated(), closing(sqlite3.connect(path)) as connection:
            connection.backup(self._copy)

    def restore(self) -> None:
        """Put it back, in one transaction that other connections see whole.

        Raises StoreUnavailable.
        """
        with translated(), closing(sqlite3.connect(self._path)) as connection:
            self._copy.backup(connection)

    def close(self) -> None:
        """Free the memory."""
        self._copy.close()
