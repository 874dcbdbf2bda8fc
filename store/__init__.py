"""The store: one interface, typed records, all SQL behind it.

`open_store` is the entry point. Nothing here depends on HTTP, and secrets never arrive in the
clear: keys arrive as digests, passwords as hashes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hookstream_keys.store.acceptance import Acceptance, AcceptedChange
from hookstream_keys.store.base import Store
from hookstream_keys.store.errors import (
    AcceptRefused,
    ArchiveRefused,
    BackupRefused,
    CommitUnknown,
    DatabaseTooNew,
    ForeignKeyViolation,
    IdempotentReplay,
    LastOwner,
    MoveRefused,
    PruneRefused,
    QueryTimeout,
    QuotaReached,
    StoreError,
    StoreUnavailable,
    TransactionConflict,
    UniqueViolation,
    UnsupportedDatabase,
)
from hookstream_keys.store.read_store import ReadStore
from hookstream_keys.store.records import (
    USED,
    ApiKey,
    Attempts,
    AuditEvent,
    AuditFilter,
    Backup,
    Ban,
    CancelledRotation,
    ChainCheck,
    ChainFault,
    Credential,
    DeletionEvents,
    DescendantRevocation,
    Environment,
    IdempotencyRecord,
    KeyFilter,
    KeyUsage,
    Member,
    Organization,
    Page,
    PendingDeletion,
    Progress,
    Prunable,
    Pruned,
    RestoreChange,
    Restored,
    RevocationEvents,
    RevocationProgress,
    RevocationWork,
    RevokedKey,
    Rotation,
    Scanned,
    SealKeys,
    Session,
    SessionBound,
    Tenancy,
    Tenant,
    User,
)
from hookstream_keys.store.sqlite import SqliteStore, permissions
from hookstream_keys.store.sqlite.retired import refuse_retired
from hookstream_keys.store.sqlite.sandbox import SandboxStore, Snapshot
from hookstream_keys.store.sqlite.version import require_version
from hookstream_keys.store.state_check import StateCheck, StateFault

if TYPE_CHECKING:
    from hookstream_keys.store.postgresql import PostgresqlStore

__all__ = [
    "USED",
    "AcceptRefused",
    "Acceptance",
    "AcceptedChange",
    "ApiKey",
    "ArchiveRefused",
    "Attempts",
    "AuditEvent",
    "AuditFilter",
    "Backup",
    "BackupRefused",
    "Ban",
    "CancelledRotation",
    "ChainCheck",
    "ChainFault",
    "CommitUnknown",
    "Credential",
    "DatabaseTooNew",
    "DeletionEvents",
    "DescendantRevocation",
    "Environment",
    "ForeignKeyViolation",
    "IdempotencyRecord",
    "IdempotentReplay",
    "KeyFilter",
    "KeyUsage",
    "LastOwner",
    "Member",
    "MoveRefused",
    "Organization",
    "Page",
    "PendingDeletion",
    "Progress",
    "Prunable",
    "PruneRefused",
    "Pruned",
    "QueryTimeout",
    "QuotaReached",
    "ReadStore",
    "RestoreChange",
    "Restored",
    "RevocationEvents",
    "RevocationProgress",
    "RevocationWork",
    "RevokedKey",
    "Rotation",
    "Scanned",
    "SealKeys",
    "Session",
    "SessionBound",
    "Snapshot",
    "SqliteStore",
    "StateCheck",
    "StateFault",
    "Store",
    "StoreError",
    "StoreUnavailable",
    "Tenancy",
    "Tenant",
    "TransactionConflict",
    "UniqueViolation",
    "UnsupportedDatabase",
    "User",
    "database_file",
    "database_path",
    "has_no_tables",
    "needs_driver",
    "open_sandbox_store",
    "open_store",
    "refuse_retired",
    "require_private",
]

_SQLITE = "sqlite:///"
POSTGRESQL = ("postgresql://", "postgres://")


def database_path(url: str) -> Path:
    """The file that `url` names: `sqlite:///relative.db`, or `sqlite:////absolute.db`.

    Raises UnsupportedDatabase for any other address: there are no parameters, and no database in
    memory, which each worker would have for itself.
    """
    if url.startswith(POSTGRESQL):
        raise UnsupportedDatabase(
            "this command works on a database that is a file, sqlite:///FILE; PostgreSQL has means "
            "of its own for it, such as pg_basebackup and an archive of its WAL"
        )
    path = url.removeprefix(_SQLITE)
    if path != url and (path == ":memory:" or path.startswith("file:") or set(path) & set("?#")):
        raise UnsupportedDatabase(
            f"the database's address names no file: {_SQLITE}FILE takes no parameters after ? or "
            "#, no file: and no :memory:; write it as in sqlite:///hookstream.db"
        )
    if path == url or not path:
        raise UnsupportedDatabase(
            # Not quoted: the URL of another engine may contain a password.
            f"the database's address does not begin with {_SQLITE}, or has no file behind it; "
            f"write {_SQLITE}FILE, such as sqlite:///hookstream.db, or postgresql://HOST/NAME"
        )
    return Path(path)


def database_file(url: str) -> Path | None:
    """The file of `database_path`, or None for a database on the network.

    Raises UnsupportedDatabase.
    """
    return None if url.startswith(POSTGRESQL) else database_path(url)


def require_private(url: str) -> None:
    """Refuse a database whose files every user of the machine can read or write.

    Raises StoreUnavailable, with the command that changes it, and UnsupportedDatabase.
    """
    file = database_file(url)
    if file is not None:
        permissions.require_private(file)


@contextmanager
def needs_driver() -> Iterator[None]:
    """A block that imports what needs the driver of PostgreSQL. Raises UnsupportedDatabase."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise UnsupportedDatabase(
            f"PostgreSQL needs the driver {error.name}: install hookstream-keys[postgresql]"
        ) from error


def open_sandbox_store(url: str) -> Store:
    """The same for a sandbox's database, which `open_store` refuses when it is used."""
    require_version()
    return SandboxStore(database_path(url))


def open_store(url: str) -> Store:
    """Open the database at `url` without changing it; `Store.migrate` creates and upgrades it.

    Raises UnsupportedDatabase for an address that no engine here serves, and when the engine's
    library is too old.
    """
    if url.startswith(POSTGRESQL):
        return _postgresql_store(url)
    require_version()
    return SqliteStore(database_path(url))


def has_no_tables(url: str) -> bool:
    """Whether a database on the network is new: no version has made its tables yet.

    Raises StoreUnavailable, and UnsupportedDatabase.
    """
    store = _postgresql_store(url)
    try:
        return store.is_new()
    finally:
        store.close()


def _postgresql_store(url: str) -> "PostgresqlStore":
    # Here, since most databases are files, and need no driver.
    with needs_driver():
        from hookstream_keys.store.postgresql import PostgresqlStore
    return PostgresqlStore(url)
