"""What the operator's commands do with a database that is a file only."""

from typing import Any, NoReturn

from hookstream_keys.store.errors import UnsupportedDatabase

_BACKUPS = "back it up by PostgreSQL's own means, such as pg_basebackup and an archive of its WAL"


class FilesOnly:
    """The methods of `OperatorStore` that this engine does not have: each says so."""

    def backup(self, *_: Any, **__: Any) -> NoReturn:
        _refuse("writes no backup of PostgreSQL", _BACKUPS)

    def restore(self, *_: Any, **__: Any) -> NoReturn:
        _refuse("restores no backup into PostgreSQL", _BACKUPS)

    def check_state(self, *_: Any, **__: Any) -> NoReturn:
        _refuse("does not compare the state of PostgreSQL with its audit log", "leave --state out")

    def accept_changes(self, *_: Any, **__: Any) -> NoReturn:
        _refuse("does not compare the state of PostgreSQL with its audit log", "nothing has to be")

    def prune_audit_log(self, *_: Any, **__: Any) -> NoReturn:
        _refuse("does not prune the audit log of PostgreSQL", "it keeps all rows")


def _refuse(what: str, instead: str) -> NoReturn:
    raise UnsupportedDatabase(f"this version {what}: {instead}")
