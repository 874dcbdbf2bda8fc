"""What can go wrong with the database, whatever the engine."""


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


class ReferenceGone(StoreError):
    """What the new row would belong to was deleted in the meantime. Nothing was stored."""


class Taken(StoreError):
    """Another has it already, and no two may: the text names the field. Nothing was stored."""


class LastOwner(StoreError):
    """An organization would be left without an owner. Nothing was changed."""
