"""The details of audit events, in the API's names and formats.

Events are written by this module and `audit verify --state` replays them by it, so every recorded
field can be checked. Events contain no secret, only a key's fingerprint, a hash of the stored hash.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from hookstream_keys.store.records import ApiKey, Environment, Rotation

#: `{"old": value, "new": value}` for each field that a change gave another value.
Changes = dict[str, dict[str, Any]]

_FINGERPRINT_PURPOSE = b"hookstream-keys secret fingerprint"


def fingerprint(digest: bytes) -> str:
    """Identifies a secret in the audit log: 128 bits, in hexadecimal, of a hash of its digest.

    It does not reveal the digest, and another secret with the same one cannot be found.
    """
    return hashlib.sha256(_FINGERPRINT_PURPOSE + digest).hexdigest()[:32]


def key_fields(key: ApiKey) -> dict[str, Any]:
    """The fields of a key that can be changed; each is a column of its table, by the same name."""
    limit = key.rate_limit
    return {
        "name": key.name,
        "scopes": key.scopes,
        "role": key.role,
        "enabled": key.enabled,
        "expires_at": key.expires_at,
        "allowed_ips": list(key.allowed_ips),
        "rate_limit": limit and {"requests": limit.requests, "window_seconds": limit.seconds},
        "metadata": dict(key.metadata),
        "external_id": key.external_id,
        "restricted_by": dict(key.restricted_by),
    }


#: The defaults of a new key's fields, which its event omits.
DEFAULTS_OF_NEW: dict[str, Any] = {
    "enabled": True,
    "expires_at": None,
    "allowed_ips": [],
    "rate_limit": None,
    "metadata": {},
    "external_id": None,
    "restricted_by": {},
}


def fields_of_new(key: ApiKey) -> dict[str, Any]:
    """`key_fields` of a new key, without those that have their default."""
    defaults = DEFAULTS_OF_NEW
    return {
        name: value
        for name, value in key_fields(key).items()
        if name not in defaults or value != defaults[name]
    }


def rotation_fields(rotation: Rotation, digest: bytes) -> dict[str, Any]:
    """The fields of a rotation, and the fingerprint of the secret that is not the key's own."""
    return {
        "key_id": rotation.key_id,
        "key_prefix": rotation.prefix,
        "secret_fingerprint": fingerprint(digest),
        "state": rotation.state,
        "grace_period_seconds": rotation.grace_period_seconds,
        "sets_expiry": rotation.sets_expiry,
        "expires_at": rotation.expires_at,
        "created_at": rotation.created_at,
        "created_by": rotation.created_by,
        "activated_at": rotation.activated_at,
        "restricted_by": rotation.restricted_by,
    }


def environment_fields(environment: Environment) -> dict[str, Any]:
    """The fields of an environment; each is a column of its table, by the same name."""
    return {"name": environment.name, "slug": environment.slug, "mode": environment.mode}


def deleted_slug(env_id: str) -> str:
    """The slug of a deleted environment, with a tilde, so that its slug can be reused."""
    return f"~{env_id}"


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> Changes:
    """The fields of `after` whose value differs from that in `before`."""
    return {
        name: {"old": before[name], "new": value}
        for name, value in after.items()
        if before[name] != value
    }
