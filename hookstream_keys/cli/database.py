"""The database that a command is about."""

import dataclasses
import os

from hookstream_keys.settings import Settings
from hookstream_keys.store import Store, open_store


def settings_for(database: str) -> Settings:
    """What the environment sets, for this database. Raises SettingsError."""
    return dataclasses.replace(Settings.from_environment(os.environ), database=database)


def existing_store(database: str) -> Store:
    """The database, which is not made or upgraded here. Raises StoreError when it is not ready."""
    store = open_store(database)
    store.check()
    return store
