"""Revoking a key; counting its descendants. Revoking these: `pending_revocations`."""

from hookstream_keys.store.records import AuditEvent, RevocationProgress, RevocationWork
from hookstream_keys.store.sql import descendants, pending_revocations
from hookstream_keys.store.sql.audit import insert_event
from hookstream_keys.store.sql.connection import Engine, Value
from hookstream_keys.store.sql.pending_deletions import key_is_pending

_REVOKE = f"""
    update api_key set revoked_at = ?, revocation_reason = ?
    where id = ? and org_id = ? and revoked_at is null and not {key_is_pending()}
"""  # noqa: S608 - constants


class Revocations(Engine):
    """Queries of descendants, and the revocation of keys."""

    async def count_descendants(
        self, made_by: str, org_id: str, most: int
    ) -> dict[str | None, int]:
        values: dict[str, Value] = {"made_by": made_by, "org_id": org_id, "most": most}
        return dict(await self.all(descendants.COUNT, values))

    async def count_rotated(
        self, made_by: str, org_id: str, now: str, most: int
    ) -> dict[str | None, int]:
        values: dict[str, Value] = {
            "made_by": made_by,
            "org_id": org_id,
            "now": now,
            "most": most,
        }
        return dict(await self.all(descendants.COUNT_ROTATED, values))

    async def revoke_key(
        self,
        org_id: str,
        key_id: str,
        revoked_at: str,
        reason: str,
        event: AuditEvent,
        with_descendants: RevocationWork | None = None,
    ) -> RevocationProgress:
        async with self.write_transaction(event.org_id) as connection:
            count = await connection.change(_REVOKE, (revoked_at, reason, key_id, org_id))
            if count:
                await insert_event(connection, event)
            return await pending_revocations.begin(connection, with_descendants, count)
