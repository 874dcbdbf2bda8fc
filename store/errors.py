"""What can go wrong with the database, whatever the engine."""

from hookstream_keys.store.records import IdempotencyRecord


class StoreError(Exception):
    """The root of this tree; its text is one line that an operator can act on."""


class StoreUnavailable(StoreError):
    """The database does not answer: it cannot be opened, is locked, full, broken or not migrated.

    Nothing of what was asked for has been stored.
    """


class DatabaseTooNew(StoreError):
    """The database has migrations that this version does not know: a newer version made it."""


class UnsupportedDatabase(StoreError):
    """The address names no engine that this version can use."""


class ArchiveRefused(StoreError):
    """An archive of the audit log cannot be written or read; the text says why."""


class AcceptRefused(StoreError):
    """Differences from the audit log are not accepted; the text says why. Nothing was changed."""


class PruneRefused(StoreError):
    """The audit log is not pruned, or not any further; the text says why. It is verifiable."""


class BackupRefused(StoreError):
    """A backup cannot be made, or not be put back; the text says why. Nothing was changed."""


class SealRefused(BackupRefused):
    """A backup's seal is missing, cannot be checked or does not fit; the text goes on from "it"."""


class ForeignKeyViolation(StoreError):
    """What the new row would belong to was deleted in the meantime. Nothing was stored."""


class UniqueViolation(StoreError):
    """Another has it already, and no two may: the text names the field. Nothing was stored."""


class IdempotentReplay(StoreError):
    """What was to be done once has been done before: `receipt` is of that. Nothing was stored."""

    def __init__(self, record: IdempotencyRecord) -> None:
        super().__init__("this was done before")
        self.record = record


class LastOwner(StoreError):
    """An organization would be left without an owner. Nothing was changed."""
