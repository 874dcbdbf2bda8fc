"""Organizations: better-auth's own table."""

import dataclasses
from collections.abc import Mapping

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
from hookstream_keys.store.sqlite import better_auth, pending_deletions
from hookstream_keys.store.sqlite.audit import insert_event
from hookstream_keys.store.sqlite.connection import Connection
from hookstream_keys.store.sqlite.engine import Engine, Row, assignments, unique
from hookstream_keys.store.sqlite.idempotency_records import insert_idempotency_record
from hookstream_keys.store.sqlite.members import insert_member
from hookstream_keys.store.sqlite.pending_deletions import is_pending
from hookstream_keys.store.sqlite.quotas import check_organizations

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
        row = self.one(_FIND, (org_id,))
        return _organization(row) if row else None

    async def list_organizations(self, user_id: str, page: Page) -> list[Organization]:
        rows = self.page(_OF_USER, {'m."userId" = ?': user_id}, page, ('m."createdAt"', "m.id"))
        return [_organization(row) for row in rows]

    async def list_all_organizations(self, page: Page) -> list[Organization]:
        rows = self.page(_ALL, {}, page, ('o."createdAt"', "o.id"))
        return [_organization(row) for row in rows]

    async def add_organization(
        self,
        organization: Organization,
        member: Member,
        event: AuditEvent,
        record: IdempotencyRecord | None = None,
        quota: Quota | None = None,
    ) -> None:
        with self.write_transaction() as connection:
            insert_idempotency_record(connection, record)
            insert_organization(connection, organization)
            insert_member(connection, member)
            check_organizations(connection, member.user_id, quota)
            insert_event(connection, event)

    async def update_organization(
        self, org_id: str, changes: Mapping[str, object], event: AuditEvent
    ) -> Organization | None:
        with self.write_transaction() as connection, unique("slug"):
            row = connection.execute(
                f"update organization as o set {assignments(changes)}"  # noqa: S608
                f' where o.id = :id and {_EXISTS} returning id, name, slug, "createdAt"',
                {**changes, "id": org_id},
            ).fetchone()
            if row is None:
                return None
            insert_event(connection, event)
            return _organization(row)

    async def delete_organization(
        self, deletion: PendingDeletion, event: AuditEvent, events: DeletionEvents
    ) -> bool:
        with self.write_transaction() as connection:
            if connection.execute(_DELETE, (deletion.id,)).rowcount == 0:
                return False
            insert_event(connection, event)
            pending_deletions.begin(connection, deletion, events)
            return True


def _organization(row: Row) -> Organization:
    org_id, name, slug, created_at, *member = row
    organization = Organization(org_id, name, slug, better_auth.text(created_at))
    if not member:
        return organization
    role, joined_at, member_id = member
    joined = better_auth.text(joined_at), member_id
    return dataclasses.replace(organization, role=role, joined=joined)


def insert_organization(connection: Connection, organization: Organization) -> None:
    """Store an organization in a transaction. Raises UniqueViolation for a slug in use."""
    with unique("slug"):
        connection.execute(
            """insert into organization (id, name, slug, "createdAt") values (?, ?, ?, ?)""",
            (organization.id, organization.name, organization.slug, organization.created_at),
        )
