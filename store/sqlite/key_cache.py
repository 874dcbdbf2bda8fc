"""Keys that were found before, validated on every use.

`pragma data_version` says whether any other connection has committed since it was asked last, in
this process or another (https://sqlite.org/pragma.html#pragma_data_version). It takes two
microseconds, the look-up of a key several times that. So a revocation that was acknowledged is
known here: a key is used only while nothing at all was committed since it was read.
"""

import sqlite3

from hookstream_keys.store.records import ApiKey
from hookstream_keys.store.sql.keys import Keys
from hookstream_keys.store.sqlite.connection import Connection
from hookstream_keys.store.sqlite.engine import SqliteEngine

#: How many keys a connection remembers at most; each takes about 1.5 kB.
MAX_KEYS = 10_000

_VERSION = "pragma data_version"


class _Known:
    """What was read on a connection since the last commit of any."""

    __slots__ = ("changes", "connection", "keys", "version")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.keys: dict[bytes, ApiKey] = {}
        self.version = self.changes = -1

    def validated(self) -> dict[bytes, ApiKey]:
        """The keys by their digests; none if anything was committed."""
        version: int = self.connection.execute(_VERSION).fetchone()[0]
        # Of this connection's own changes the version tells nothing.
        changes = self.connection.total_changes
        if version != self.version or changes != self.changes:
            self.version, self.changes = version, changes
            self.keys.clear()
        return self.keys


class CachedKeys(Keys, SqliteEngine):
    """Finds a key that was found before without reading it, unless anything was committed."""

    async def find_key(self, digest: bytes) -> ApiKey | None:
        try:
            # Before the key is read: what is committed meanwhile is noticed at the next use.
            known = self._validated()
        except (sqlite3.Error, OSError) as error:
            self._raise_translated(error)
        found = known.get(digest)
        if found is None:
            found = await super().find_key(digest)
            if found is not None:
                if len(known) >= MAX_KEYS:
                    known.clear()
                known[digest] = found
        return found

    def _validated(self) -> dict[bytes, ApiKey]:
        """The keys that are known of this thread's connection, if nothing was committed since."""
        connection = self.connection()
        if connection.in_transaction:
            # It sees what is not committed.
            return {}
        known: _Known | None = getattr(self._local, "known", None)
        if known is None or known.connection is not connection:
            known = self._local.known = _Known(connection)
        return known.validated()
