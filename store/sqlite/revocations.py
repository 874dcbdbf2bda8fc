"""Revoking a key, or with its descendants. All of an environment: `pending_deletions`."""

from hookstream_keys.store.records import AuditEvent, DescendantRevocation
from hookstream_keys.store.sqlite import descendants, rotations
from hookstream_keys.store.sqlite.audit import insert_event
from hookstream_keys.store.sqlite.connection import Connection
from hookstream_keys.store.sqlite.engine import Engine, to_json
from hookstream_keys.store.sqlite.keys import COLUMNS, key_of
from hookstream_keys.store.sqlite.pending_deletions import key_is_pending

_REVOKE = f"""
    update api_key set revoked_at = ?, revocation_reason = ?
    where id = ? and org_id = ? and revoked_at is null and not {key_is_pending()}
"""  # noqa: S608 - constants
#: Whether a key has one of the roles that are asked for, if any are. None is stored as null, which
#: is equal to nothing.
_OF_ROLES = """
    (:roles is null or coalesce(role, '') in (select value from json_each(:roles)))
"""
_REVOKE_DESCENDANTS = f"""{descendants.CTE}
    update api_key set revoked_at = :now, revocation_reason = :reason
    where id in (select id from descendant) and revoked_at is null and not {key_is_pending()}
          and {_OF_ROLES}
    returning {COLUMNS}
"""  # noqa: S608 - constants
_CANCEL_PENDING = f"""
    update rotation set state = 'cancelled', cancelled_at = :now
    where id in ({descendants.PENDING} and {_OF_ROLES}) returning {rotations.COLUMNS}
"""  # noqa: S608 - constants


class Revocations(Engine):
    """Queries of descendants, and the revocation of keys."""

    def count_descendants(self, made_by: str, org_id: str) -> dict[str | None, int]:
        return dict(self.all(descendants.COUNT, {"made_by": made_by, "org_id": org_id}))

    def count_rotated(self, made_by: str, org_id: str, now: str) -> dict[str | None, int]:
        values = {"made_by": made_by, "org_id": org_id, "now": now}
        return dict(self.all(descendants.COUNT_ROTATED, values))

    def revoke_key(
        self,
        org_id: str,
        key_id: str,
        revoked_at: str,
        reason: str,
        event: AuditEvent,
        with_descendants: DescendantRevocation | None = None,
    ) -> int:
        with self.write_transaction() as connection:
            count = connection.execute(_REVOKE, (revoked_at, reason, key_id, org_id)).rowcount
            if count:
                insert_event(connection, event)
            return count + revoke_descendants(connection, with_descendants)


def revoke_descendants(connection: Connection, wanted: DescendantRevocation | None) -> int:
    """Revoke the keys, if any are wanted, inside a transaction. Returns how many there were."""
    if wanted is None:
        return 0
    roles = wanted.roles
    values = {
        "made_by": wanted.made_by,
        "org_id": wanted.org_id,
        "now": wanted.revoked_at,
        "reason": wanted.reason,
        "roles": None if roles is None else to_json([role or "" for role in roles]),
    }
    revoked = connection.execute(_REVOKE_DESCENDANTS, values).fetchall()
    for row in revoked:
        insert_event(connection, wanted.event(key_of(row)))
    for row in connection.execute(_CANCEL_PENDING, values).fetchall():
        insert_event(connection, wanted.cancelled(rotations.rotation_of(row)))
    return len(revoked)
