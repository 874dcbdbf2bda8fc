"""Keys as text, each value in the form that `keys create` accepts."""

from typing import Any

from hookstream_keys.cli.output import columns

#: A key as the API shows it: `ApiKey` of the document.
Key = dict[str, Any]


def facts(key: Key) -> dict[str, str]:
    """A key's fields as text, by the API's names."""
    as_they_are = ("id", "name", "org_id", "env_id", "key_prefix", "scopes", "state")
    said = {
        **{name: key[name] for name in as_they_are},
        "role": key["role"] or "none",
        "restricted_by": ", ".join(f"{rule}: {by}" for rule, by in key["restricted_by"].items()),
        "expires_at": key["expires_at"] or "never",
        "allowed_ips": ", ".join(key["allowed_ips"]) or "anywhere",
        "rate_limit": _limit(key["rate_limit"]),
        "metadata": ", ".join(f"{name}={value}" for name, value in key["metadata"].items()),
        "external_id": key["external_id"],
        "rotations": "; ".join(map(_rotation, key["rotations"])),
        "request_count": str(key["request_count"]),
        "last_used_at": key["last_used_at"] or "never",
        "last_used_ip": key["last_used_ip"],
        "failed_attempts": "; ".join(map(_attempts, key["failed_attempts"])),
        "created_by": key["created_by"] or "the command line",
        "created_at": key["created_at"],
        "revoked_at": key["revoked_at"],
        "revocation_reason": key["revocation_reason"],
    }
    return {name: value for name, value in said.items() if value}


def lines(keys: list[Key]) -> list[str]:
    """A line for each key, in columns."""
    return columns([_cells(key) for key in keys])


def _cells(key: Key) -> list[str]:
    return [
        key["id"],
        key["key_prefix"],
        key["state"],
        key["name"],
        key["scopes"],
        _expiry(key["expires_at"]),
        f"used {key['last_used_at']}" if key["last_used_at"] else "never used",
    ]


def _expiry(moment: str | None) -> str:
    return f"expires {moment}" if moment else "never expires"


def _limit(limit: dict[str, int] | None) -> str:
    return f"{limit['requests']}/{limit['window_seconds']}" if limit else "none"


def _rotation(rotation: dict[str, Any]) -> str:
    expiry = _expiry(rotation["expires_at"])
    return f"{rotation['id']} {rotation['key_prefix']} {rotation['state']}, {expiry}"


def _attempts(attempts: dict[str, Any]) -> str:
    address = f" from {attempts['last_ip']}" if attempts["last_ip"] else ""
    return f"{attempts['count']} {attempts['reason']}, last {attempts['last_at']}{address}"
