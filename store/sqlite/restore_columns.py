"""Every column of every restored table, with the rule of a restore for it.

A test compares this with the tables, so that no new column is forgotten. Columns of better-auth's
plugins in its own tables are TAKEN.
"""

from collections.abc import Callable
from enum import Enum
from typing import Any

from hookstream_keys.domain.records import record
from hookstream_keys.store.sqlite import narrowing


class Rule(Enum):
    """What a restore does to a column of a row that is in the backup and in the database."""

    #: It never changes: a backup with another value is refused.
    FIXED = "fixed"
    #: The database's value stays.
    KEPT = "kept"
    #: The backup's value is restored.
    TAKEN = "taken"


@record
class Narrower:
    """The more restrictive value wins: `choose` gets the backup's value, then the present one."""

    choose: Callable[[Any, Any], Any]


FIXED, KEPT, TAKEN = Rule.FIXED, Rule.KEPT, Rule.TAKEN

#: In the order of references. Users and their credentials are not included: a password that was
#: changed must not be restored.
COLUMNS: dict[str, dict[str, Rule | Narrower]] = {
    "organization": {
        "id": FIXED,
        "name": TAKEN,
        "slug": TAKEN,
        "logo": TAKEN,
        "createdAt": TAKEN,
        "metadata": TAKEN,
    },
    "member": {
        "id": FIXED,
        "organizationId": FIXED,
        "userId": FIXED,
        "role": Narrower(narrowing.member_role),
        "createdAt": TAKEN,
    },
    "invitation": {
        "id": FIXED,
        "organizationId": FIXED,
        "email": FIXED,
        "role": FIXED,
        "status": Narrower(narrowing.invitation_status),
        "expiresAt": Narrower(narrowing.moment),
        "createdAt": TAKEN,
        "inviterId": FIXED,
    },
    "environment": {
        "id": FIXED,
        "org_id": FIXED,
        "name": TAKEN,
        "slug": TAKEN,
        "mode": FIXED,
        "created_at": FIXED,
        # It is restored, but its keys stay revoked.
        "deleted_at": TAKEN,
    },
    "api_key": {
        "id": FIXED,
        "digest": KEPT,
        "org_id": FIXED,
        "env_id": FIXED,
        "name": TAKEN,
        "prefix": KEPT,
        "scopes": Narrower(narrowing.scopes),
        "created_by": FIXED,
        "created_at": FIXED,
        "revoked_at": Narrower(narrowing.revocation),
        "enabled": Narrower(min),
        "expires_at": Narrower(narrowing.expiry),
        "allowed_ips": Narrower(narrowing.networks),
        "metadata": TAKEN,
        "external_id": TAKEN,
        "revocation_reason": Narrower(narrowing.revocation),
        "rate_limit": Narrower(narrowing.rate_limit),
        "role": Narrower(narrowing.key_role),
        "restricted_by": Narrower(narrowing.restrictions),
    },
    "rotation": {
        "id": FIXED,
        "key_id": FIXED,
        "digest": KEPT,
        "prefix": KEPT,
        "state": KEPT,
        "grace_period_seconds": KEPT,
        "sets_expiry": KEPT,
        "expires_at": KEPT,
        "created_at": FIXED,
        "created_by": FIXED,
        "activated_at": KEPT,
        "cancelled_at": KEPT,
        "restricted_by": KEPT,
    },
    "receipt": {"id": FIXED, "fingerprint": TAKEN, "sealed": TAKEN, "created_at": TAKEN},
    "key_usage": {"key_id": FIXED, "outcome": FIXED, "count": KEPT, "last_at": KEPT,
                  "last_ip": KEPT},
}  # fmt: skip


def columns_of(table: str, rule: Rule) -> tuple[str, ...]:
    """The columns of a table with this rule."""
    return tuple(name for name, each in COLUMNS[table].items() if each is rule)


def narrower_columns(table: str) -> dict[str, Narrower]:
    """The columns of a table of which the more restrictive value wins."""
    return {name: each for name, each in COLUMNS[table].items() if isinstance(each, Narrower)}
