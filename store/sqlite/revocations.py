"""Revoking keys: one, with its descendants, or all of an environment or organization.

Descendants are the keys that a user or key made, those that these made, and so on. Revoked ones
lead on to their own, so that nothing hides behind them.
"""

from collections.abc import Callable
from typing import Literal

from hookstream_keys.store.records import ApiKey, AuditEvent, DescendantRevocation
from hookstream_keys.store.sqlite.audit import insert_event
from hookstream_keys.store.sqlite.connection import Connection
from hookstream_keys.store.sqlite.engine import Engine
from hookstream_keys.store.sqlite.keys import COLUMNS, key_of

_REVOKE = """
    update api_key set revoked_at = ?, revocation_reason = ? where id = ? and revoked_at is null
"""
_DESCENDANTS = """
    with recursive descendant (id) as (
        select id from api_key where created_by = ? and org_id = ?
        union
        select k.id from api_key k join descendant d on k.created_by = d.id
    )
"""
_COUNT = f"""{_DESCENDANTS}
    select role, count(*) from api_key
    where id in (select id from descendant) and revoked_at is null group by role
"""  # noqa: S608 - constants
_REVOKE_DESCENDANTS = f"""{_DESCENDANTS}
    update api_key set revoked_at = ?, revocation_reason = ?
    where id in (select id from descendant) and revoked_at is null
"""  # noqa: S608 - constants
_RETURNING = f" returning {COLUMNS}"


class Revocations(Engine):
    """The questions about what a revocation reaches, and the revocation of a key."""

    def count_descendants(self, made_by: str, org_id: str) -> dict[str | None, int]:
        return dict(self.all(_COUNT, (made_by, org_id)))

    def revoke_key(
        self,
        key_id: str,
        revoked_at: str,
        reason: str,
        event: AuditEvent,
        descendants: DescendantRevocation | None = None,
    ) -> int:
        with self.change() as connection:
            count = connection.execute(_REVOKE, (revoked_at, reason, key_id)).rowcount
            if count:
                insert_event(connection, event)
            return count + revoke_descendants(connection, descendants)


def revoke_all(
    connection: Connection,
    of: tuple[Literal["env_id", "org_id"], str],
    revoked_at: str,
    reason: str,
    event: Callable[[ApiKey], AuditEvent],
) -> None:
    """Revoke every key of an environment or organization, each with its event."""
    column, value = of
    revoked = connection.execute(
        f"update api_key set revoked_at = ?, revocation_reason = ?"  # noqa: S608 - see its type
        f" where {column} = ? and revoked_at is null returning {COLUMNS}",
        (revoked_at, reason, value),
    )
    # SQLite has changed all rows before it gives the first.
    for row in revoked:
        insert_event(connection, event(key_of(row)))


def revoke_descendants(connection: Connection, wanted: DescendantRevocation | None) -> int:
    """Revoke the keys, if any are wanted, inside a transaction. Returns how many there were."""
    if wanted is None:
        return 0
    values = [wanted.made_by, wanted.org_id, wanted.revoked_at, wanted.reason]
    if wanted.roles is None:
        statement = f"{_REVOKE_DESCENDANTS} {_RETURNING}"
    else:
        # A role may be null, which is in no list.
        places = ", ".join("?" for _ in wanted.roles)
        statement = f"{_REVOKE_DESCENDANTS} and coalesce(role, '') in ({places}) {_RETURNING}"
        values += [role or "" for role in wanted.roles]
    count = 0
    for row in connection.execute(statement, values):
        insert_event(connection, wanted.event(key_of(row)))
        count += 1
    return count
