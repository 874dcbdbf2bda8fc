"""The store on one SQLite file: a module for each subject, joined here."""

from hookstream_keys.store.sqlite.audit import AuditLog
from hookstream_keys.store.sqlite.keys import Keys
from hookstream_keys.store.sqlite.sessions import Sessions
from hookstream_keys.store.sqlite.tenants import Tenants


class SqliteStore(AuditLog, Keys, Sessions, Tenants):
    """A `Store` on the SQLite file at `path`."""
