"""Organizations: better-auth's own table."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from hookstream_keys.domain.quotas import Quota
from hookstream_keys.store.records import (
    AuditEvent,
    DeletionEvents,
    IdempotencyRecord,
    Member,
    Organization,
    Page,
    PendingDeletion,
)
from hookstream_keys.store.sql import better_auth, pending_deletions
from hookstream_keys.store.sql.audit import insert_event
from hookstream_keys.store.sql.connection import Connection, Engine, Row
from hookstream_keys.store.sql.idempotency_records import insert_idempotency_record
from hookstream_keys.store.sql.members import insert_member
from hookstream_keys.store.sql.pending_deletions import is_pending
from hookstream_keys.store.sql.quotas import check_organizations
from hookstream_keys.store.sql.text import assignments

_COLUMNS = 'o.id, o.name, o.slug, o."createdAt"'
_EXISTS = f"not {is_pending('o.id')}"
# All of these are constants of this module; values are bound.
_FIND = f"select {_COLUMNS} from organization o where {_EXISTS} and o.id = ?"  # noqa: S608
_ALL = f"select {_COLUMNS} from organization o where {_EXISTS}"  # noqa: S608
_OF_USER = (
    f"""select {_COLUMNS}, m.role, m."createdAt", m.id from organization o"""  # noqa: S608
    f' join "member" m on m."organizationId" = o.id where {_EXISTS}'
)
#: Its slug can be reused; no slug has a tilde.
_DELETE = f"update organization as o set slug = '~' || id where o.id = ? and {_EXISTS}"  # noqa: S608


class Organizations(Engine):
    """Queries and changes of organizations."""

    async def find_organization(self, org_id: str) -> Organization | None:
        row = await self.one(_FIND, (org_id,))
        return _organization(row) if row else None

    async def list_organizations(self, user_id: str, page: Page) -> list[Organization]:
        rows = await self.page(
            _OF_USER, {'m."userId" = ?': user_id}, page, ('m."createdAt"', "m.id")
        )
        return [_organization(row) for row in rows]

    async def list_all_organizations(self, page: Page) -> list[Organization]:
        rows = await self.page(_ALL, {}, page, ('o."createdAt"', "o.id"))
        return [_organization(row) for row in rows]

    async def add_organization(
        self,
        organization: Organization,
        member: Member,
        event: AuditEvent,
        record: IdempotencyRecord | None = None,
        quota: Quota | None = None,
    ) -> None:
        async with self.write_transaction(event.org_id) as connection:
            if record is not None:
                await insert_idempotency_record(connection, record)
            await insert_organization(connection, organization)
            await insert_member(connection, member)
            await check_organizations(connection, member.user_id, quota)
            await insert_event(connection, event)

    async def update_organization(
        self, org_id: str, changes: Mapping[str, Any], event: AuditEvent
    ) -> Organization | None:
        async with self.write_transaction(event.org_id) as connection:
            with connection.unique("slug"):
                row = await connection.one(
                    f"update organization as o set {assignments(changes)}"  # noqa: S608
                    f' where o.id = :id and {_EXISTS} returning id, name, slug, "createdAt"',
                    {**changes, "id": org_id},
                )
            if row is None:
                return None
            await insert_event(connection, event)
            return _organization(row)

    async def delete_organization(
        self, deletion: PendingDeletion, event: AuditEvent, events: DeletionEvents
    ) -> bool:
        async with self.write_transaction(event.org_id) as connection:
            if await connection.change(_DELETE, (deletion.id,)) == 0:
                return False
            await insert_event(connection, event)
            await pending_deletions.begin(connection, deletion, events)
            return True


def _organization(row: Row) -> Organization:
    org_id, name, slug, created_at, *member = row
    organization = Organization(org_id, name, slug, better_auth.text(created_at))
    if not member:
        return organization
    role, joined_at, member_id = member
    joined = better_auth.text(joined_at), member_id
    return dataclasses.replace(organization, role=role, joined=joined)


async def insert_organization(connection: Connection, organization: Organization) -> None:
    """Store an organization in a transaction. Raises UniqueViolation for a slug in use."""
    with connection.unique("slug"):
        await connection.change(
            """insert into organization (id, name, slug, "createdAt") values (?, ?, ?, ?)""",
            (organization.id, organization.name, organization.slug, organization.created_at),
        )
