"""The database that a command is about."""

import dataclasses
import os
from pathlib import Path

from hookstream_keys.settings import Settings
from hookstream_keys.store import Store, StoreUnavailable, database_path, open_store


def settings_for(database: str) -> Settings:
    """What the environment sets, for this database. Raises SettingsError."""
    return dataclasses.replace(Settings.from_environment(os.environ), database=database)


def existing_store(database: str) -> Store:
    """The database, which is not made or upgraded here. Raises StoreError when it is not ready."""
    path = database_path(database).absolute()
    if not path.exists():
        raise StoreUnavailable(
            f"{missing(path)}; hookstream-keys init makes a new one, and hookstream-keys restore "
            "makes one of a backup"
        )
    store = open_store(database)
    store.check()
    return store


def missing(path: Path) -> str:
    """Says which database is not there, and what decides where it is looked for."""
    return f"there is no database {path}: --database, or HOOKSTREAM_DATABASE, says where it is"


def is_empty(path: Path) -> bool:
    """Whether a file is there that nothing was ever written to, such as one that `touch` made."""
    beside = (path, Path(f"{path}-wal"))
    return path.is_file() and not any(each.exists() and each.stat().st_size for each in beside)
