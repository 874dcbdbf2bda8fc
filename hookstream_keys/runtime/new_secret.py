"""A warning when a new signing secret is created for a database that was used with another."""

from pathlib import Path

from hookstream_keys.settings import Settings, existing_signing_secrets, secret_path
from hookstream_keys.store import Store


def warning_of_new_secret(settings: Settings, database: Path, store: Store) -> str | None:
    """The warning before `signing_secrets` creates a secret; None when nothing is lost by it.

    Nothing is lost when a secret exists, or the database was never used. Raises SettingsError
    when the secret's file cannot be used, and StoreUnavailable.
    """
    if existing_signing_secrets(settings, database) or not store.has_data():
        return None
    path = secret_path(database)
    return (
        f"the database {database.absolute()} was used before, and there is no signing secret for "
        f"it: a new one is made in {path}. Session cookies and backups that were made with the "
        "old secret no longer verify. To put the old one back, stop the server, and either "
        f"replace {path} by the file that was kept, or set BETTER_AUTH_SECRET to what it was."
    )
