"""The keys that seal backups, derived from the signing secrets."""

from pathlib import Path

from hookstream_keys.cli.database import settings_for
from hookstream_keys.domain.signing import Signer
from hookstream_keys.settings import (
    Settings,
    SettingsError,
    existing_signing_secrets,
    secret_path,
)
from hookstream_keys.store import SealKeys, database_file

_PURPOSE = "backup seal"


def seal_key(database: str) -> bytes:
    """The key that seals a backup. Raises SettingsError where there is no signing secret."""
    found = seal_keys(database)
    if not found.keys:
        beside = database_file(database)
        or_file = (
            ""
            if beside is None
            else f", or put {secret_path(beside)} back; where there was none, hookstream-keys init "
            "makes that file"
        )
        raise SettingsError(
            "there is no signing secret to seal the backup with: set BETTER_AUTH_SECRET to what "
            f"serve has{or_file}"
        )
    return found.keys[0]


def seal_keys(database: str) -> SealKeys:
    """The keys that seal backups, the newest first; none where there is no signing secret.

    Creates no secret: a new one has sealed nothing.
    """
    settings, beside = settings_for(database), database_file(database)
    secrets = existing_signing_secrets(settings, beside)
    if not secrets:
        return SealKeys((), "" if beside is None else str(secret_path(beside)))
    signer = Signer(*secrets)
    keys = tuple(each.derive(_PURPOSE) for each in (signer, *signer.older))
    return SealKeys(keys, _source(settings, beside))


def _source(settings: Settings, beside: Path | None) -> str:
    """Where the secrets are from, in words."""
    file = None if beside is None else secret_path(beside)
    if not settings.secrets:
        return f"the one in {file}"
    variables = {
        "BETTER_AUTH_SECRETS": settings.auth_secrets,
        "BETTER_AUTH_SECRET": settings.auth_secret,
    }
    named = " and ".join(name for name, value in variables.items() if value)
    unread = (
        f" ({file}, which is there, is not read while that is set)"
        if file and file.exists()
        else ""
    )
    return f"what {named} has{unread}"
