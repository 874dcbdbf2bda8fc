"""The database that a command works on."""

import dataclasses
import os
from pathlib import Path

import click

from hookstream_keys.settings import Settings, refuse_unknown
from hookstream_keys.store import (
    Store,
    StoreUnavailable,
    database_file,
    has_no_tables,
    open_store,
    refuse_retired,
    require_private,
)


def settings_for(database: str) -> Settings:
    """The settings from the environment, for this database. Raises SettingsError."""
    return dataclasses.replace(Settings.from_environment(os.environ), database=database)


def existing_store(database: str) -> Store:
    """Open the database, which is never created or upgraded.

    Raises StoreError when it is not ready, or others can read it, and SettingsError.
    """
    refuse_unknown()
    require_database(
        database,
        "hookstream-keys init makes a new one, and hookstream-keys restore makes one of a backup",
    )
    require_private(database)
    store = opened_store(database)
    store.run(store.check())
    if not settings_for(database).single_database:
        # An old primary would still show what was revoked on the new one.
        store.run(store.require_confirming())
    return store


def opened_store(database: str) -> Store:
    """The store of a database that may not exist yet, open until the command ends."""
    store = open_store(database)
    click.get_current_context().call_on_close(store.close)
    return store


def require_database(database: str, remedy: str) -> None:
    """Refuse a database that does not exist, or has no tables. Raises StoreUnavailable.

    The message has the setting that names it, and of a file the remedy.
    """
    file = database_file(database)
    if file is None:
        # That there is none, its server says.
        if has_no_tables(database):
            raise StoreUnavailable(
                "the PostgreSQL database has no tables of hookstream-keys: --database, or "
                "HOOKSTREAM_DATABASE, says which one it is; hookstream-keys init, or serve --init, "
                "makes them"
            )
        return
    path = file.absolute()
    refuse_retired(path)
    if not path.exists():
        found = f"there is no database {path}"
    elif is_empty(path):
        found = f"the database {path} is an empty file"
    else:
        return
    raise StoreUnavailable(
        f"{found}: --database, or HOOKSTREAM_DATABASE, says where it is; {remedy}"
    )


def is_empty(path: Path) -> bool:
    """Whether the file exists and is empty, such as one that `touch` created."""
    beside = (path, Path(f"{path}-wal"))
    return path.is_file() and not any(each.exists() and each.stat().st_size for each in beside)
