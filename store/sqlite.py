"""The store on one SQLite file.

Schema and migrations go through sqlite-utils; the statements of a request go
straight to the connection, which is several times faster and exactly as safe.
Every thread has a connection of its own. Writes begin with `begin immediate`:
a transaction that starts as a reader and turns into a writer fails at once when
another has written in between, however long the busy timeout is.
"""

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from hookstream_keys.store.errors import DatabaseTooNew, ReferenceGone, StoreUnavailable
from hookstream_keys.store.migrations import migrations
from hookstream_keys.store.records import ApiKey, AuditEvent, Environment, Session, Tenant
from hookstream_keys.timestamps import to_text

#: How long a statement waits for another writer before the store counts as unavailable.
BUSY_SECONDS = 5.0

_KEY_COLUMNS = "id, org_id, env_id, name, prefix, scopes, created_by, created_at, revoked_at"
_FIND_KEY = f"select {_KEY_COLUMNS} from api_key where digest = ?"  # noqa: S608 - a constant
_ADD_KEY = (
    f"insert into api_key ({_KEY_COLUMNS}, digest) "  # noqa: S608 - a constant
    "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_FIND_SESSION = """select id, "userId", "expiresAt" from "session" where token = ?"""
_FIND_ENVIRONMENT = """
    select e.id, e.org_id, e.name, e.slug, e.mode, e.created_at
    from environment e where e.id = ? and e.org_id = ?
"""
_OF_MEMBER = """
    and exists (select 1 from member m where m."organizationId" = e.org_id and m."userId" = ?)
"""
_ADD_EVENT = """
    insert into audit_log (id, org_id, user_id, api_key_id, action, resource_type, resource_id,
                           details, ip_address, request_id, created_at)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


class SqliteStore:
    """A `Store` on the SQLite file at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._local = threading.local()
        self._lock = threading.Lock()
        self._connections: list[sqlite3.Connection] = []

    # Life

    def migrate(self) -> list[str]:
        with _translated(), closing(self._open(create=True)) as connection:
            _enable_wal(connection)
            with _transaction(connection):
                db = Database(connection)
                _refuse_newer(db)
                pending = [migration.name for migration in migrations.pending(db)]
                if pending:
                    migrations.apply(db)
        return pending

    def check(self) -> None:
        with _translated():
            db = Database(self._connection())
            _refuse_newer(db)
            if migrations.pending(db):
                raise StoreUnavailable(f"the database {self._path} is not migrated; run init")

    def close(self) -> None:
        with self._lock:
            connections, self._connections = self._connections, []
        for connection in connections:
            connection.close()
        self._local = threading.local()

    # Questions

    def find_key(self, digest: bytes) -> ApiKey | None:
        row = self._one(_FIND_KEY, (digest,))
        return ApiKey(*row) if row else None

    def find_session(self, token: str, now: str) -> Session | None:
        row = self._one(_FIND_SESSION, (token,))
        if row is None:
            return None
        expires_at = _moment(row[2])
        if expires_at <= datetime.fromisoformat(now):
            return None
        return Session(id=row[0], user_id=row[1], expires_at=to_text(expires_at))

    def find_environment(self, org_id: str, env_id: str) -> Environment | None:
        row = self._one(_FIND_ENVIRONMENT, (env_id, org_id))
        return Environment(*row) if row else None

    def find_environment_of_member(
        self, org_id: str, env_id: str, user_id: str
    ) -> Environment | None:
        row = self._one(_FIND_ENVIRONMENT + _OF_MEMBER, (env_id, org_id, user_id))
        return Environment(*row) if row else None

    # Changes

    def add_key(self, key: ApiKey, digest: bytes, event: AuditEvent) -> None:
        with _translated():
            connection = self._connection()
            with _transaction(connection):
                _insert_key(connection, key, digest)
                _insert_event(connection, event)

    def add_first_tenant(self, tenant: Tenant) -> bool:
        with _translated():
            connection = self._connection()
            with _transaction(connection):
                used = connection.execute(
                    """select exists (select 1 from "user")
                           or exists (select 1 from organization)"""
                ).fetchone()[0]
                if used:
                    return False
                _insert_tenant(connection, tenant)
                return True

    # Connections

    def _one(self, sql: str, parameters: tuple[str | bytes, ...]) -> tuple[Any, ...] | None:
        with _translated():
            row: tuple[Any, ...] | None = self._connection().execute(sql, parameters).fetchone()
            return row

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._open(create=False)
            with self._lock:
                self._connections.append(connection)
            self._local.connection = connection
        return connection

    def _open(self, *, create: bool) -> sqlite3.Connection:
        if create:
            _create_private(self._path)
        connection = sqlite3.connect(
            # Never mode=rwc: a file that SQLite makes itself is readable by others.
            f"{self._path.as_uri()}?mode=rw",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            # Only `close` crosses threads.
            check_same_thread=False,
        )
        try:
            connection.execute("pragma foreign_keys = on")
            # A key that was acknowledged is on the disk, also after a power failure.
            connection.execute("pragma synchronous = full")
        except BaseException:
            connection.close()
            raise
        return connection


@contextmanager
def _translated() -> Iterator[None]:
    """Turn SQLite's errors into the store's own; misuse of the module stays what it is."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
            raise ReferenceGone(str(error)) from error
        raise
    except (sqlite3.ProgrammingError, sqlite3.InterfaceError):
        raise
    except (sqlite3.DatabaseError, OSError) as error:
        raise StoreUnavailable(f"the database does not answer: {error}") from error


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("begin immediate")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("rollback")
        raise
    try:
        connection.execute("commit")
    except BaseException:
        if connection.in_transaction:
            connection.execute("rollback")
        raise


def _create_private(path: Path) -> None:
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _enable_wal(connection: sqlite3.Connection) -> None:
    # Changing the journal mode does not wait for other connections as statements do:
    # several processes that start at once on a new file need this loop.
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("pragma journal_mode = wal")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
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


def _moment(value: str | int | float) -> datetime:
    """A time as better-auth's adapters store it: ISO text, or milliseconds since 1970."""
    if isinstance(value, str):
        moment = datetime.fromisoformat(value)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return datetime.fromtimestamp(value / 1000, UTC)


def _insert_key(connection: sqlite3.Connection, key: ApiKey, digest: bytes) -> None:
    connection.execute(
        _ADD_KEY,
        (
            key.id,
            key.org_id,
            key.env_id,
            key.name,
            key.prefix,
            key.scopes,
            key.created_by,
            key.created_at,
            key.revoked_at,
            digest,
        ),
    )


def _insert_event(connection: sqlite3.Connection, event: AuditEvent) -> None:
    connection.execute(
        _ADD_EVENT,
        (
            event.id,
            event.org_id,
            event.user_id,
            event.api_key_id,
            event.action,
            event.resource_type,
            event.resource_id,
            json.dumps(event.details, separators=(",", ":")),
            event.ip_address,
            event.request_id,
            event.created_at,
        ),
    )


def _insert_tenant(connection: sqlite3.Connection, tenant: Tenant) -> None:
    user, organization, member = tenant.user, tenant.organization, tenant.member
    environment = tenant.environment
    connection.execute(
        """insert into "user" (id, name, email, "emailVerified", "createdAt", "updatedAt")
           values (?, ?, ?, 1, ?, ?)""",
        (user.id, user.name, user.email, user.created_at, user.created_at),
    )
    connection.execute(
        # better-auth: a password's account has the user's own id as accountId.
        """insert into "account" (id, "accountId", "providerId", "userId", password,
                                  "createdAt", "updatedAt")
           values (?, ?, 'credential', ?, ?, ?, ?)""",
        (user.account_id, user.id, user.id, user.password_hash, user.created_at, user.created_at),
    )
    connection.execute(
        """insert into "organization" (id, name, slug, "createdAt") values (?, ?, ?, ?)""",
        (organization.id, organization.name, organization.slug, organization.created_at),
    )
    connection.execute(
        """insert into "member" (id, "organizationId", "userId", role, "createdAt")
           values (?, ?, ?, ?, ?)""",
        (member.id, member.org_id, member.user_id, member.role, member.created_at),
    )
    connection.execute(
        """insert into environment (id, org_id, name, slug, mode, created_at)
           values (?, ?, ?, ?, ?, ?)""",
        (
            environment.id,
            environment.org_id,
            environment.name,
            environment.slug,
            environment.mode,
            environment.created_at,
        ),
    )
    _insert_key(connection, tenant.key, tenant.key_digest)
    for event in tenant.events:
        _insert_event(connection, event)
