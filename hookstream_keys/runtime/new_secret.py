"""A warning where a new signing secret is made for a database that was used with another."""

from pathlib import Path

from hookstream_keys.settings import Settings, existing_signing_secrets, secret_path
from hookstream_keys.store import Store


def warning_of_new_secret(settings: Settings, database: Path, store: Store) -> str | None:
    """What is lost with the new secret that `signing_secrets` is about to make; None for nothing.

    Nothing is lost where a secret is there, or where nothing was ever stored. Raises SettingsError
    when the file of the secret cannot be used, and StoreUnavailable.
    """
    if existing_signing_secrets(settings, database) or not store.was_used():
        return None
    path = secret_path(database)
    return (
        f"the database {database.absolute()} was used before, and there is no signing secret for "
        f"it: a new one is made in {path}. Session cookies and backups that were made with the "
        "old secret no longer verify. To put the old one back, stop the server, and either "
        f"replace {path} by the file that was kept, or set BETTER_AUTH_SECRET to what it was."
    )
