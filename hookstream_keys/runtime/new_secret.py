"""A warning when a new signing secret is created for a database that was used with another."""

from pathlib import Path

from hookstream_keys.settings import (
    Settings,
    configured_secrets,
    existing_signing_secrets,
    secret_path,
    signing_secrets,
)
from hookstream_keys.store import Store


def secrets_at_start(
    settings: Settings, database: Path | None, store: Store
) -> tuple[tuple[str, ...], str | None]:
    """The signing secrets, created on first use, and the warning where that loses something.

    Nothing is lost when a secret exists, or the database was never used. Raises SettingsError
    when the secret's file cannot be used or, without a file of the `database`, no secret is
    configured; and StoreUnavailable.
    """
    if database is None:
        return configured_secrets(settings), None
    existing = existing_signing_secrets(settings, database)
    if existing:
        return existing, None
    warning = _warning(database) if store.run(store.has_data()) else None
    return signing_secrets(settings, database), warning


def _warning(database: Path) -> str:
    path = secret_path(database)
    return (
        f"the database {database.absolute()} was used before, and there is no signing secret for "
        f"it: a new one is made in {path}. Session cookies and backups that were made with the "
        "old secret no longer verify. To put the old one back, stop the server, and either "
        f"replace {path} by the file that was kept, or set BETTER_AUTH_SECRET to what it was."
    )
