"""The store on a PostgreSQL database: the shared parts, on this engine."""

from hookstream_keys.store.postgresql.better_auth_columns import BetterAuthColumns
from hookstream_keys.store.postgresql.heartbeat import Heartbeat
from hookstream_keys.store.postgresql.held import HeldReads
from hookstream_keys.store.postgresql.seals import Seals
from hookstream_keys.store.postgresql.transfer.operator_files import OperatorFiles
from hookstream_keys.store.postgresql.usage import UsageInBulk
from hookstream_keys.store.sql.audit import AuditLog
from hookstream_keys.store.sql.audit_lists import AuditLists
from hookstream_keys.store.sql.key_lists import KeyLists
from hookstream_keys.store.sql.operator_users import OperatorUsers
from hookstream_keys.store.sql.pending_deletions import PendingDeletions
from hookstream_keys.store.sql.pending_revocations import PendingRevocations
from hookstream_keys.store.sql.retention import Retention
from hookstream_keys.store.sql.revocations import Revocations
from hookstream_keys.store.sql.rotations import Rotations
from hookstream_keys.store.sql.sign_in import SignIn
from hookstream_keys.store.sql.tenants import Tenants
from hookstream_keys.store.sql.usage import Usage
from hookstream_keys.store.sql.users import Users


class PostgresqlStore(
    # What only this engine has comes first: it replaces what the shared parts leave open.
    OperatorFiles,
    HeldReads,
    Heartbeat,
    Seals,
    UsageInBulk,
    BetterAuthColumns,
    AuditLog,
    AuditLists,
    KeyLists,
    OperatorUsers,
    PendingDeletions,
    PendingRevocations,
    Retention,
    Revocations,
    Rotations,
    SignIn,
    Tenants,
    Usage,
    Users,
):
    """A `Store` on the PostgreSQL database at `url`."""
