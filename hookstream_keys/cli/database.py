"""The database that a command works on."""

import dataclasses
import os
from pathlib import Path

from hookstream_keys.settings import Settings, refuse_unknown
from hookstream_keys.store import (
    Store,
    StoreUnavailable,
    database_path,
    open_store,
    require_private,
)


def settings_for(database: str) -> Settings:
    """The settings from the environment, for this database. Raises SettingsError."""
    return dataclasses.replace(Settings.from_environment(os.environ), database=database)


def existing_store(database: str) -> Store:
    """Open the database; never create or upgrade it.

    Raises StoreError when it is not ready, or others can read it, and SettingsError.
    """
    refuse_unknown()
    path = database_path(database).absolute()
    if not path.exists():
        raise StoreUnavailable(
            f"{missing(path)}; hookstream-keys init makes a new one, and hookstream-keys restore "
            "makes one of a backup"
        )
    require_private(database)
    store = open_store(database)
    store.check()
    return store


def missing(path: Path) -> str:
    """The message for a database that does not exist, with the setting that names it."""
    return f"there is no database {path}: --database, or HOOKSTREAM_DATABASE, says where it is"


def is_empty(path: Path) -> bool:
    """Whether the file exists and is empty, such as one that `touch` created."""
    beside = (path, Path(f"{path}-wal"))
    return path.is_file() and not any(each.exists() and each.stat().st_size for each in beside)
