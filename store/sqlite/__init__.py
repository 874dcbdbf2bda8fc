"""The store on one SQLite file: a module for each subject, joined here."""

from hookstream_keys.store.sql.audit import AuditLog
from hookstream_keys.store.sql.audit_lists import AuditLists
from hookstream_keys.store.sql.environments import Environments
from hookstream_keys.store.sql.key_lists import KeyLists
from hookstream_keys.store.sql.members import Members
from hookstream_keys.store.sql.operator_users import OperatorUsers
from hookstream_keys.store.sql.organizations import Organizations
from hookstream_keys.store.sql.pending_deletions import PendingDeletions
from hookstream_keys.store.sql.pending_revocations import PendingRevocations
from hookstream_keys.store.sql.retention import Retention
from hookstream_keys.store.sql.revocations import Revocations
from hookstream_keys.store.sql.rotations import Rotations
from hookstream_keys.store.sql.sessions import Sessions
from hookstream_keys.store.sql.sign_in import SignIn
from hookstream_keys.store.sql.tenants import Tenants
from hookstream_keys.store.sql.usage import Usage
from hookstream_keys.store.sql.users import Users
from hookstream_keys.store.sqlite.audit_accept import AuditAccept
from hookstream_keys.store.sqlite.audit_check import AuditCheck
from hookstream_keys.store.sqlite.audit_prune import AuditPrune
from hookstream_keys.store.sqlite.audit_state import AuditState
from hookstream_keys.store.sqlite.backups import Backups
from hookstream_keys.store.sqlite.expired import Expired
from hookstream_keys.store.sqlite.key_cache import CachedKeys
from hookstream_keys.store.sqlite.plugin_columns import PluginColumns


class SqliteStore(
    # What only this engine has comes first: it replaces what the shared parts leave open.
    AuditCheck,
    CachedKeys,
    Expired,
    PluginColumns,
    AuditLog,
    AuditAccept,
    AuditLists,
    AuditPrune,
    AuditState,
    Backups,
    Environments,
    KeyLists,
    Members,
    OperatorUsers,
    Organizations,
    PendingDeletions,
    PendingRevocations,
    Retention,
    Revocations,
    Rotations,
    Sessions,
    SignIn,
    Tenants,
    Usage,
    Users,
):
    """A `Store` on the SQLite file at `path`."""
