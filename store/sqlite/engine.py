"""Connections and transactions of the SQLite store, and its migrations.

Schema and migrations go through sqlite-utils; the statements of a request go
straight to the connection, which is several times faster and exactly as safe.
Every thread has a connection of its own. Writes begin with `begin immediate`:
a transaction that starts as a reader and turns into a writer fails at once when
another has written in between, however long the busy timeout is.
"""

import os
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    asynccontextmanager,
    closing,
    contextmanager,
    suppress,
)
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from sqlite_utils import Database

from hookstream_keys.domain.keys import SANDBOX_MARK
from hookstream_keys.store.aside import Aside, Result
from hookstream_keys.store.errors import (
    DatabaseTooNew,
    ForeignKeyViolation,
    QueryTimeout,
    StoreUnavailable,
    UnsupportedDatabase,
)
from hookstream_keys.store.inline import run_inline
from hookstream_keys.store.sql.connection import Engine, Row, Values
from hookstream_keys.store.sqlite.connection import Connection, Savepoint, connect, transaction
from hookstream_keys.store.sqlite.file_identity import FileIdentity
from hookstream_keys.store.sqlite.migrations import migrations
from hookstream_keys.store.sqlite.retired import refuse_retired

#: How long a statement waits for another writer before the store counts as unavailable.
BUSY_SECONDS = 5.0
#: How long a starting process waits for another one that migrates or locks the database.
MIGRATING_SECONDS = 120.0
#: How often a reading thread checks that its files were not replaced.
LOOK_SECONDS = 1.0
#: The `-wal` file is truncated to so many bytes after a long reader. SQLite checkpoints it from
#: 4 MB on, so it rarely grows beyond that otherwise.
MAX_WAL_BYTES = 16 * 1024 * 1024

#: After how many instructions of SQLite's virtual machine a deadline is looked at: a tenth of a
#: millisecond.
_INSTRUCTIONS = 10_000

#: What `pragma application_id` is in a sandbox's database: the same bytes that mark its keys.
SANDBOX_APPLICATION_ID = int.from_bytes(SANDBOX_MARK, "big")

#: After these errors a connection may have stale or read-only files.
_DOUBTFUL = {
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_NOTADB,
}

_TRY_TO_ADD = """
    insert into receipt (id, fingerprint, sealed, created_at)
    values (zeroblob(32), zeroblob(32), x'', '')
"""
_TRY_TO_DELETE = "delete from receipt where id = zeroblob(32)"


@dataclass(slots=True)
class _Opened:
    """A thread's connection, its open files, and when they are checked next."""

    connection: Connection
    files: FileIdentity
    good_until: float = 0.0
    is_doubtful: bool = False


class SqliteEngine(Engine):
    """The base class of this engine's parts: connections to a file, and transactions."""

    #: What `pragma application_id` must be, if the database is a sandbox's or the store is.
    application_id = 0

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._local = threading.local()
        self._lock = threading.Lock()
        self._connections: list[Connection] = []
        self._wrote_at = float("-inf")

    def migrate(self) -> list[str]:
        with self.translated(), closing(self._open(create=True)) as connection:
            connection.execute(f"pragma busy_timeout = {MIGRATING_SECONDS * 1000:.0f}")
            db = Database(connection)
            # Before any change; and again, since another process may migrate meanwhile.
            _refuse_newer(db)
            self._refuse_another_kind(connection)
            _enable_wal(connection)
            with transaction(connection):
                _refuse_newer(db)
                pending = [migration.name for migration in migrations.pending(db)]
                if pending:
                    migrations.apply(db)
        return pending

    async def check(self, *, newer: bool = False) -> None:
        with self.translated():
            connection = self._checked_connection(writing=True).connection
            db = Database(connection)
            if not newer:
                _refuse_newer(db)
            self._refuse_another_kind(connection)
            if migrations.pending(db):
                raise StoreUnavailable(f"the database {self._path} is not migrated; run init")

    def wrote_within(self, seconds: float) -> bool:
        return time.monotonic() - self._wrote_at < seconds

    async def try_to_write(self) -> None:
        async with self.write_transaction() as connection:
            # Both, so that pages are written without an effect.
            connection.execute(_TRY_TO_ADD)
            connection.execute(_TRY_TO_DELETE)

    async def beat(self) -> None:
        """Nothing: no other server has the file."""

    def require_heartbeats(self) -> None:
        """Nothing, as `beat`."""

    async def join(self, _: object) -> None:
        """Nothing: its secret is beside the file."""

    async def leave(self) -> None:
        """Nothing, as `join`."""

    async def require_confirming(self) -> None:
        """Nothing, as `beat`."""

    async def seal_chains(self, *_: object) -> bool:
        """Nothing: all organizations share one chain."""
        return False

    async def require_standby(self) -> None:
        """Nothing: nothing fails over."""

    async def confirm_earlier(self) -> None:
        """Nothing: what is seen is durable."""

    async def read_from(self, _: str) -> None:
        raise UnsupportedDatabase(
            "HOOKSTREAM_READ_REPLICAS is for PostgreSQL: a file has no replicas, so leave it out"
        )

    def close(self) -> None:
        with self._lock:
            connections, self._connections = self._connections, []
        for connection in connections:
            connection.close()
        self._local = threading.local()

    async def all(self, sql: str, parameters: Values = ()) -> list[Row]:
        """Every row of a query."""
        try:
            return self.connection().execute(sql, parameters).fetchall()
        except (sqlite3.Error, OSError) as error:
            self._raise_translated(error)

    async def one(self, sql: str, parameters: Values) -> Row | None:
        """The first row of a query, or None."""
        try:
            row: Row | None = self.connection().execute(sql, parameters).fetchone()
        except (sqlite3.Error, OSError) as error:
            self._raise_translated(error)
        return row

    def write_transaction(self, _: str | None = None) -> AbstractAsyncContextManager[Connection]:
        """A write transaction, rolled back on any error.

        Inside `group_commit` it is a savepoint, durable with the group's commit.
        """
        if self.is_in_write_transaction():
            return Savepoint(self.connection(), self._raise_translated)
        return self._own_transaction()

    @asynccontextmanager
    async def group_commit(self) -> AsyncIterator[None]:
        with self._durable_transaction():
            self._local.group_commit = True
            try:
                yield
            finally:
                self._local.group_commit = False

    @asynccontextmanager
    async def _own_transaction(self) -> AsyncIterator[Connection]:
        with self._durable_transaction() as connection:
            yield connection

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        return run_inline(coroutine)

    async def read_beside(
        self, read: Callable[[], Coroutine[Any, Any, Result]], aside: Aside
    ) -> Result:
        return await aside(lambda: run_inline(read()))

    def is_in_write_transaction(self) -> bool:
        return getattr(self._local, "group_commit", False)

    @contextmanager
    def deadline(self, seconds: float) -> Iterator[None]:
        ends = time.monotonic() + seconds
        with self.translated():
            connection = self.connection()
            connection.set_progress_handler(lambda: time.monotonic() > ends, _INSTRUCTIONS)
            try:
                yield
            finally:
                connection.set_progress_handler(None, 0)

    def forbid_writes(self) -> None:
        self._local.reads_only = True

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Map SQLite's errors to the store's; misuse of the module is not mapped."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            self._raise_translated(error)

    def connection(self) -> Connection:
        """The connection of this thread."""
        opened: _Opened | None = getattr(self._local, "opened", None)
        if opened is not None and (
            time.monotonic() < opened.good_until or opened.connection.in_transaction
        ):
            return opened.connection
        return self._checked_connection(writing=False).connection

    @contextmanager
    def _durable_transaction(self) -> Iterator[Connection]:
        """A transaction that is durable when it ends, in files that were not replaced."""
        if getattr(self._local, "reads_only", False):
            raise RuntimeError("this thread only reads; a write goes through the write queue")
        try:
            opened = self._checked_connection(writing=True)
            connection, files = opened.connection, opened.files
            changes = connection.total_changes
            with transaction(connection):
                yield connection
            if connection.total_changes == changes:
                return
            # If the files were replaced meanwhile, the write is lost.
            if not files.are_in_place() and files.are_replaced(writing=True):
                raise StoreUnavailable(f"the database {self._path} was replaced")
            self._wrote_at = time.monotonic()
        except (sqlite3.Error, OSError) as error:
            self._raise_translated(error)

    def _checked_connection(self, *, writing: bool) -> _Opened:
        """The connection of this thread, to the current files."""
        opened: _Opened | None = getattr(self._local, "opened", None)
        if opened is None:
            return self._reopen()
        files = opened.files
        replaced = not files.are_in_place() and files.are_replaced(writing=writing)
        if replaced or opened.is_doubtful:
            self._close_stale(opened)
            return self._reopen()
        opened.good_until = time.monotonic() + LOOK_SECONDS
        return opened

    def _reopen(self) -> _Opened:
        before = FileIdentity(self._path)
        connection = self._open(create=False)
        files = FileIdentity(self._path)
        if files.differ_from(before):
            connection.close()
            raise StoreUnavailable(f"the database {self._path} was replaced")
        opened = _Opened(connection, files, time.monotonic() + LOOK_SECONDS)
        with self._lock:
            self._connections.append(connection)
        self._local.opened = opened
        return opened

    def _close_stale(self, opened: _Opened) -> None:
        del self._local.opened
        with self._lock:
            if opened.connection in self._connections:
                self._connections.remove(opened.connection)
        opened.connection.close()

    def _refuse_another_kind(self, connection: Connection) -> None:
        """Refuse a sandbox's database, whose keys are published; in a sandbox, any other."""
        (found,) = connection.execute("pragma application_id").fetchone()
        if self.application_id == found or SANDBOX_APPLICATION_ID not in (
            self.application_id,
            found,
        ):
            return
        if found == SANDBOX_APPLICATION_ID:
            raise StoreUnavailable(
                f"the database {self._path} is a sandbox's, whose keys can be predicted: use "
                "another one"
            )
        raise StoreUnavailable(
            f"the database {self._path} is not a sandbox's: a sandbox makes its own"
        )

    def _raise_translated(self, error: Exception) -> NoReturn:
        opened: _Opened | None = getattr(self._local, "opened", None)
        # The lowest byte is the primary error code.
        if opened is not None and getattr(error, "sqlite_errorcode", 0) & 0xFF in _DOUBTFUL:
            opened.is_doubtful, opened.good_until = True, 0.0
        raise_translated(error)

    def _open(self, *, create: bool) -> Connection:
        if create:
            refuse_retired(self._path)
            create_private(self._path)
        connection = connect(
            # Never mode=rwc: a file that SQLite creates is readable by others.
            f"{self._path.as_uri()}?mode=rw",
            uri=True,
            timeout=BUSY_SECONDS,
            # Only `close` crosses threads.
            check_same_thread=False,
        )
        try:
            connection.execute("pragma foreign_keys = on")
            # Acknowledged writes are durable, also after a power failure.
            connection.execute("pragma synchronous = full")
            connection.execute(f"pragma journal_size_limit = {MAX_WAL_BYTES}")
            # Open its files now, while their identity is known.
            connection.execute("pragma schema_version")
        except BaseException:
            connection.close()
            raise
        return connection


@contextmanager
def translated() -> Iterator[None]:
    """Map SQLite's errors on any connection to the store's."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise_translated(error)


def raise_translated(error: Exception) -> NoReturn:
    """Raise the store's error for one of SQLite's, or the same."""
    match error:
        case sqlite3.IntegrityError(sqlite_errorcode=sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY):
            raise ForeignKeyViolation(str(error)) from error
        case sqlite3.OperationalError(sqlite_errorcode=sqlite3.SQLITE_INTERRUPT):
            raise QueryTimeout("a query took until its deadline, and was stopped") from error
        case sqlite3.IntegrityError() | sqlite3.ProgrammingError() | sqlite3.InterfaceError():
            raise error
        case _:
            raise StoreUnavailable(f"the database does not answer: {error}") from error


def create_private(path: Path) -> None:
    """Create the file, for its owner only, if it does not exist."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _enable_wal(connection: Connection) -> None:
    # Unlike statements, changing the journal mode does not wait for other connections: several
    # processes that start at once on a new file need this loop.
    deadline = time.monotonic() + MIGRATING_SECONDS
    while True:
        try:
            connection.execute("pragma journal_mode = wal")
            return
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _refuse_newer(db: Database) -> None:
    known = {migration.name for migration in migrations._migrations}
    unknown = [step.name for step in migrations.applied(db) if step.name not in known]
    if unknown:
        raise DatabaseTooNew(
            f"the database was made by a newer version (it has {unknown[-1]}): "
            "upgrade hookstream-keys"
        )
