"""The store on one SQLite file: a module for each subject, joined here."""

from hookstream_keys.store.sqlite.audit import AuditLog
from hookstream_keys.store.sqlite.audit_accept import AuditAccept
from hookstream_keys.store.sqlite.audit_lists import AuditLists
from hookstream_keys.store.sqlite.audit_prune import AuditPrune
from hookstream_keys.store.sqlite.audit_state import AuditState
from hookstream_keys.store.sqlite.backups import Backups
from hookstream_keys.store.sqlite.environments import Environments
from hookstream_keys.store.sqlite.key_lists import KeyLists
from hookstream_keys.store.sqlite.keys import Keys
from hookstream_keys.store.sqlite.members import Members
from hookstream_keys.store.sqlite.operator_users import OperatorUsers
from hookstream_keys.store.sqlite.organizations import Organizations
from hookstream_keys.store.sqlite.pending_deletions import PendingDeletions
from hookstream_keys.store.sqlite.pending_revocations import PendingRevocations
from hookstream_keys.store.sqlite.retention import Retention
from hookstream_keys.store.sqlite.revocations import Revocations
from hookstream_keys.store.sqlite.rotations import Rotations
from hookstream_keys.store.sqlite.sessions import Sessions
from hookstream_keys.store.sqlite.sign_in import SignIn
from hookstream_keys.store.sqlite.tenants import Tenants
from hookstream_keys.store.sqlite.usage import Usage
from hookstream_keys.store.sqlite.users import Users


class SqliteStore(
    AuditLog,
    AuditAccept,
    AuditLists,
    AuditPrune,
    AuditState,
    Backups,
    Environments,
    KeyLists,
    Keys,
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
