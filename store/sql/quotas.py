"""Quotas: whether a transaction has added more than a maximum.

Each check counts at most one row more than its quota, by an index. So its cost is bounded by the
quota, however many rows there are.
"""

from hookstream_keys.domain.quotas import Quota
from hookstream_keys.store.errors import QuotaReached
from hookstream_keys.store.sql.connection import Connection, Value
from hookstream_keys.store.sql.pending_deletions import is_pending

_BEYOND = "limit 1 offset ?"
_ORGANIZATIONS = f"""
    select 1 from "member" where "userId" = ? and not {is_pending('"organizationId"')} {_BEYOND}
"""  # noqa: S608 - constants
_MEMBERS = f"""select 1 from "member" where "organizationId" = ? {_BEYOND}"""  # noqa: S608 - constants
_ENVIRONMENTS = f"""
    select 1 from environment indexed by environment_of_org
    where org_id = ? and deleted_at is null {_BEYOND}
"""  # noqa: S608 - constants
#: With the pending one: a new rotation cancels it.
_ROTATIONS = f"""
    select 1 from rotation indexed by rotation_in_grace
    where key_id = ? and state = 'grace' and expires_at > ? {_BEYOND}
"""  # noqa: S608 - constants


async def check_organizations(connection: Connection, user_id: str, quota: Quota | None) -> None:
    """Raise QuotaReached where the user has more memberships than the quota."""
    if quota is not None:
        # They may be added to several organizations at the same time.
        await connection.lock_user(user_id)
    await _check(connection, _ORGANIZATIONS, (user_id,), quota)


async def check_members(connection: Connection, org_id: str, quota: Quota | None) -> None:
    """Raise QuotaReached where the organization has more members than the quota."""
    await _check(connection, _MEMBERS, (org_id,), quota)


async def check_environments(connection: Connection, org_id: str, quota: Quota | None) -> None:
    """Raise QuotaReached where the organization has more environments than the quota."""
    await _check(connection, _ENVIRONMENTS, (org_id,), quota)


async def check_rotations(
    connection: Connection, key_id: str, now: str, quota: Quota | None
) -> None:
    """Raise QuotaReached where a pending rotation is one more than the quota, at `now`."""
    if quota is not None:
        await _refuse(connection, _ROTATIONS, (key_id, now, quota.most - 1), quota)


async def _check(
    connection: Connection, beyond: str, of: tuple[Value, ...], quota: Quota | None
) -> None:
    if quota is not None:
        await _refuse(connection, beyond, (*of, quota.most), quota)


async def _refuse(
    connection: Connection, beyond: str, parameters: tuple[Value, ...], quota: Quota
) -> None:
    if await connection.one(beyond, parameters) is not None:
        raise QuotaReached(quota)
