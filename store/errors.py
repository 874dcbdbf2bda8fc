"""Errors of the database, the same for every engine."""

from hookstream_keys.domain.quotas import Quota
from hookstream_keys.store.records import IdempotencyRecord


class StoreError(Exception):
    """The base class; its text is one line for the operator."""


class StoreUnavailable(StoreError):
    """The database cannot be opened, is locked, full, damaged or not migrated.

    Nothing was stored.
    """


class CommitUnknown(StoreUnavailable):
    """The database did not say whether a transaction is committed, or not durably.

    It may be stored.
    """


class TransactionConflict(StoreUnavailable):
    """A transaction was rolled back for another one, or for what failed in it.

    Repeated, it may succeed.
    """


class QueryTimeout(StoreError):
    """A query took until its deadline, and was stopped."""


class DatabaseTooNew(StoreError):
    """The database has migrations of a newer version."""


class UnsupportedDatabase(StoreError):
    """The URL names no supported engine."""


class ArchiveRefused(StoreError):
    """An archive of the audit log cannot be written or read; the text says why."""


class AcceptRefused(StoreError):
    """Differences from the audit log are not accepted; the text says why. Nothing was changed."""


class PruneRefused(StoreError):
    """The audit log is not pruned, or not any further; the text says why. It is verifiable."""


class BackupRefused(StoreError):
    """A backup cannot be created or restored; the text says why. Nothing was changed."""


class MoveRefused(StoreError):
    """The data of one database cannot be moved to another; the text says why."""


class SealRefused(BackupRefused):
    """A backup's seal is missing, cannot be checked or is not valid; the text continues "it"."""


class ForeignKeyViolation(StoreError):
    """The row that the new one refers to was deleted. Nothing was stored."""


class UniqueViolation(StoreError):
    """Another row has this unique value; the text names the field. Nothing was stored."""


class IdempotentReplay(StoreError):
    """The idempotent request was done before: `record` has its answer. Nothing was stored."""

    def __init__(self, record: IdempotencyRecord) -> None:
        super().__init__("this was done before")
        self.record = record


class QuotaReached(StoreError):
    """One more resource would exceed its `quota`. Nothing was stored."""

    def __init__(self, quota: Quota) -> None:
        super().__init__(quota.message)
        self.quota = quota


class LastOwner(StoreError):
    """An organization would be left without an owner. Nothing was changed."""
