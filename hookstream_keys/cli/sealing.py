"""The keys of backups' seals, which are derived from the signing secrets."""

from hookstream_keys.cli.database import settings_for
from hookstream_keys.settings import SettingsError, existing_signing_secrets
from hookstream_keys.signing import Signer
from hookstream_keys.store import database_path

_PURPOSE = "backup seal"


def seal_key(database: str) -> bytes:
    """What seals a backup. Raises SettingsError where there is no signing secret."""
    keys = seal_keys(database)
    if not keys:
        raise SettingsError(
            "there is no signing secret to seal the backup with: set BETTER_AUTH_SECRET to what "
            "serve has, or run hookstream-keys init, which makes one beside the database"
        )
    return keys[0]


def seal_keys(database: str) -> list[bytes]:
    """What backups may be sealed with, the newest first; none where there is no signing secret.

    No secret is made here: one that is made now has sealed nothing.
    """
    secrets = existing_signing_secrets(settings_for(database), database_path(database))
    if not secrets:
        return []
    signer = Signer(*secrets)
    return [each.derive(_PURPOSE) for each in (signer, *signer.older)]
