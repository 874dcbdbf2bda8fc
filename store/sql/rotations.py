"""Rotations: a key's other secrets, each in a row of its own.

The row has the secret that is not the key's own: the new one while it is pending, and the old one
after its first use, which exchanges the two. So every digest is stored once, and the key's own
secret is found without this table.
"""

from collections.abc import Mapping, Sequence

from hookstream_keys.domain.quotas import Quota
from hookstream_keys.store.records import AuditEvent, IdempotencyRecord, Rotation
from hookstream_keys.store.sql.audit import insert_event
from hookstream_keys.store.sql.connection import Engine, Row
from hookstream_keys.store.sql.idempotency_records import insert_idempotency_record
from hookstream_keys.store.sql.pending_deletions import key_is_pending
from hookstream_keys.store.sql.quotas import check_rotations
from hookstream_keys.store.sql.text import to_json

COLUMNS = (
    "id, key_id, prefix, state, grace_period_seconds, sets_expiry, expires_at, created_at,"
    " created_by, activated_at, restricted_by"
)
# All of these are constants of this module; values are bound.
_SELECT = f"select {COLUMNS} from rotation"  # noqa: S608
#: By an index of each state: a key may have thousands of rotations that are over.
_UNDER_WAY = f"""
    {_SELECT} indexed by rotation_pending
    where key_id in (select value from json_each(:key_ids)) and state = 'pending'
    union all
    {_SELECT} indexed by rotation_in_grace
    where key_id in (select value from json_each(:key_ids)) and state = 'grace'
      and expires_at > :now
    order by created_at desc, id desc
"""  # noqa: S608 - constants
_ADD = f"insert into rotation ({COLUMNS}, digest) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
_CANCEL = "update rotation set state = 'cancelled', cancelled_at = ? where state = 'pending' and"
_CANCEL_ONE = f"""
    {_CANCEL} id = ? and key_id = (select id from api_key where id = ? and org_id = ?)
"""  # noqa: S608 - constants
_CURRENT = f"""
    select digest, prefix, expires_at from api_key
    where id = ? and revoked_at is null and not {key_is_pending()}
"""  # noqa: S608
_TAKE_OVER = """
    update api_key set digest = ?, prefix = ?, expires_at = ?,
                       restricted_by = coalesce(?, restricted_by)
    where id = ?
"""
_STEP_BACK = """
    update rotation set digest = ?, prefix = ?, state = 'grace', expires_at = ?, activated_at = ?
    where id = ?
"""


class Rotations(Engine):
    """Queries and changes of rotations."""

    async def rotations_of(self, key_ids: Sequence[str], now: str) -> dict[str, list[Rotation]]:
        found: dict[str, list[Rotation]] = {key_id: [] for key_id in key_ids}
        for row in await self.all(_UNDER_WAY, {"key_ids": to_json(key_ids), "now": now}):
            rotation = rotation_of(row)
            found[rotation.key_id].append(rotation)
        return found

    async def add_rotation(
        self,
        rotation: Rotation,
        digest: bytes,
        event: AuditEvent,
        record: IdempotencyRecord | None = None,
        quota: Quota | None = None,
    ) -> bool:
        async with self.write_transaction(event.org_id) as connection:
            if record is not None:
                await insert_idempotency_record(connection, record)
            if await connection.one(_CURRENT, (rotation.key_id,)) is None:
                return False
            await check_rotations(connection, rotation.key_id, rotation.created_at, quota)
            await connection.change(f"{_CANCEL} key_id = ?", (rotation.created_at, rotation.key_id))
            await connection.change(
                _ADD,
                (
                    rotation.id,
                    rotation.key_id,
                    rotation.prefix,
                    rotation.state,
                    rotation.grace_period_seconds,
                    int(rotation.sets_expiry),
                    rotation.expires_at,
                    rotation.created_at,
                    rotation.created_by,
                    rotation.activated_at,
                    rotation.restricted_by,
                    digest,
                ),
            )
            await insert_event(connection, event)
            return True

    async def activate_rotation(
        self,
        rotation_id: str,
        activated_at: str,
        grace_ends_at: str,
        event: AuditEvent,
        restricted_by: Mapping[str, str] | None = None,
    ) -> bool:
        async with self.write_transaction(event.org_id) as connection:
            row = await connection.one(
                f"select {COLUMNS}, digest from rotation where id = ?",  # noqa: S608
                (rotation_id,),
            )
            if row is None:
                return False
            rotation = rotation_of(row[:-1])
            if rotation.state != "pending":
                # Another process has activated or cancelled it.
                return rotation.state == "grace"
            current = await connection.one(_CURRENT, (rotation.key_id,))
            if current is None:
                return False
            digest, prefix, expires_at = current
            new_end = rotation.expires_at if rotation.sets_expiry else expires_at
            # Not later than its previous expiry; a tilde sorts after every time.
            old_end = min(grace_ends_at, expires_at or "~")
            # First removed, then stored: a digest is unique and not null.
            await connection.change(
                _STEP_BACK, (digest, prefix, old_end, activated_at, rotation.id)
            )
            restrictions = None if restricted_by is None else to_json(restricted_by)
            taken = (row[-1], rotation.prefix, new_end, restrictions, rotation.key_id)
            await connection.change(_TAKE_OVER, taken)
            await insert_event(connection, event)
            return True

    async def cancel_rotation(
        self, org_id: str, key_id: str, rotation_id: str, event: AuditEvent
    ) -> bool:
        async with self.write_transaction(event.org_id) as connection:
            done = await connection.change(
                _CANCEL_ONE,
                (event.created_at, rotation_id, key_id, org_id),
            )
            if done == 0:
                return False
            await insert_event(connection, event)
            return True

    async def find_rotation(self, key_id: str, rotation_id: str) -> Rotation | None:
        row = await self.one(f"{_SELECT} where id = ? and key_id = ?", (rotation_id, key_id))
        return rotation_of(row) if row else None


def rotation_of(row: Row) -> Rotation:
    """The rotation of a row of COLUMNS."""
    values = list(row)
    values[5] = bool(values[5])
    return Rotation(*values)
