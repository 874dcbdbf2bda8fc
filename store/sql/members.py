"""Members of organizations: better-auth's own table."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hookstream_keys.contract import roles
from hookstream_keys.domain.quotas import NO_QUOTAS, Quotas
from hookstream_keys.store.errors import ForeignKeyViolation, LastOwner, UniqueViolation
from hookstream_keys.store.records import (
    AuditEvent,
    IdempotencyRecord,
    Member,
    Page,
    RevocationProgress,
    RevocationWork,
)
from hookstream_keys.store.sql import better_auth, pending_revocations
from hookstream_keys.store.sql.audit import insert_event
from hookstream_keys.store.sql.connection import Connection, Engine, Row, Value
from hookstream_keys.store.sql.idempotency_records import insert_idempotency_record
from hookstream_keys.store.sql.pending_deletions import is_pending
from hookstream_keys.store.sql.quotas import check_members, check_organizations

_SELECT = f"""
    select m.id, m."organizationId", m."userId", m.role, m."createdAt", u.name, u.email
    from "member" m join "user" u on u.id = m."userId"
    where not {is_pending('m."organizationId"')}
"""  # noqa: S608 - constants
_FIND = f"""{_SELECT} and m."organizationId" = ? and m.id = ?"""
#: A user's role in each organization, in the order of joining.
_ROLES = f"""
    select "organizationId", role from "member"
    where "userId" = ? and not {is_pending('"organizationId"')} order by "createdAt", id
"""  # noqa: S608 - constants
#: The organization that a user joined first, if any.
FIRST_JOINED = f"{_ROLES} limit 1"
_ROLE_IN = f"""
    select role from "member"
    where "userId" = ? and "organizationId" = ? and not {is_pending('"organizationId"')}
"""  # noqa: S608 - constants
_ROLE = f"""
    select role from "member"
    where id = ? and "organizationId" = ? and not {is_pending('"organizationId"')}
"""  # noqa: S608 - constants
_ADD = f"""
    insert into "member" (id, "organizationId", "userId", role, "createdAt")
    select ?, ?, ?, ?, ? where not {is_pending("?")}
"""
#: With the condition of an index. Also of roles that only contain the word, which are few.
_OWNERS = """
    select role from "member" where "organizationId" = ? and instr(role, 'owner') > 0
"""


class Members(Engine):
    """Queries and changes of members."""

    async def role_in(self, org_id: str, user_id: str) -> str | None:
        row = await self.one(_ROLE_IN, (user_id, org_id))
        return row[0] if row else None

    async def first_organization_of(self, user_id: str) -> str | None:
        row = await self.one(FIRST_JOINED, (user_id,))
        return row[0] if row else None

    async def roles_of(self, user_id: str) -> dict[str, str]:
        return dict(await self.all(_ROLES, (user_id,)))

    async def find_member(self, org_id: str, member_id: str) -> Member | None:
        row = await self.one(_FIND, (org_id, member_id))
        return _member(row) if row else None

    async def list_members(self, org_id: str, page: Page) -> list[Member]:
        of_it: dict[str, Value] = {'m."organizationId" = ?': org_id}
        rows = await self.page(_SELECT, of_it, page, ('m."createdAt"', "m.id"))
        return [_member(row) for row in rows]

    async def add_member(
        self,
        member: Member,
        event: AuditEvent,
        record: IdempotencyRecord | None = None,
        quotas: Quotas = NO_QUOTAS,
    ) -> None:
        async with self.write_transaction(event.org_id) as connection:
            if record is not None:
                await insert_idempotency_record(connection, record)
            await insert_member(connection, member)
            await check_members(connection, member.org_id, quotas.members_per_organization)
            await check_organizations(connection, member.user_id, quotas.organizations_per_user)
            await insert_event(connection, event)

    async def update_member(
        self,
        org_id: str,
        member_id: str,
        role: str,
        event: AuditEvent,
        keys: RevocationWork | None = None,
    ) -> RevocationProgress | None:
        async with (
            self.write_transaction(event.org_id) as connection,
            _an_owner_left(connection, org_id, member_id) as found,
        ):
            if not found:
                return None
            await connection.change('update "member" set role = ? where id = ?', (role, member_id))
            await insert_event(connection, event)
            return await pending_revocations.begin(connection, keys)

    async def remove_member(
        self,
        org_id: str,
        member_id: str,
        event: AuditEvent,
        keys: RevocationWork | None = None,
    ) -> RevocationProgress | None:
        async with (
            self.write_transaction(event.org_id) as connection,
            _an_owner_left(connection, org_id, member_id) as found,
        ):
            if not found:
                return None
            await connection.change('delete from "member" where id = ?', (member_id,))
            await insert_event(connection, event)
            return await pending_revocations.begin(connection, keys)


def _member(row: Row) -> Member:
    member_id, org_id, user_id, role, created_at, name, email = row
    return Member(member_id, org_id, user_id, role, better_auth.text(created_at), name, email)


async def insert_member(connection: Connection, member: Member) -> None:
    """Store a member inside a transaction.

    Raises UniqueViolation when the user is one already, for which the table has no constraint, and
    ForeignKeyViolation without the organization or the user.
    """
    taken = await connection.one(
        'select 1 from "member" where "organizationId" = ? and "userId" = ?',
        (member.org_id, member.user_id),
    )
    if taken:
        raise UniqueViolation("user")
    values = (member.id, member.org_id, member.user_id, member.role, member.created_at)
    if await connection.change(_ADD, (*values, member.org_id)) == 0:
        raise ForeignKeyViolation(f"the organization {member.org_id} is being deleted")


@asynccontextmanager
async def _an_owner_left(
    connection: Connection, org_id: str, member_id: str
) -> AsyncIterator[bool]:
    """Yield whether the member exists. Raises LastOwner where the block leaves no owner."""
    row = await connection.one(_ROLE, (member_id, org_id))
    yield row is not None
    if row is not None and roles.is_owner(row[0]):
        left = await connection.all(_OWNERS, (org_id,))
        if not any(roles.is_owner(role) for (role,) in left):
            raise LastOwner(org_id)
