"""Environments. A deleted one keeps its row, for its revoked keys."""

from collections.abc import Mapping
from typing import Any

from hookstream_keys.domain.quotas import Quota
from hookstream_keys.store.errors import ForeignKeyViolation
from hookstream_keys.store.records import (
    AuditEvent,
    DeletionEvents,
    Environment,
    IdempotencyRecord,
    Page,
    PendingDeletion,
)
from hookstream_keys.store.sql import pending_deletions
from hookstream_keys.store.sql.audit import insert_event
from hookstream_keys.store.sql.connection import Connection, Engine
from hookstream_keys.store.sql.idempotency_records import insert_idempotency_record
from hookstream_keys.store.sql.pending_deletions import is_pending
from hookstream_keys.store.sql.quotas import check_environments
from hookstream_keys.store.sql.text import assignments

_COLUMNS = "id, org_id, name, slug, mode, created_at"
#: That an environment exists, and its organization.
_EXISTS = f"deleted_at is null and not {is_pending('org_id')}"
_SELECT = f"select {_COLUMNS} from environment where {_EXISTS}"  # noqa: S608 - constants


class Environments(Engine):
    """Queries and changes of environments."""

    async def find_environment(self, env_id: str) -> Environment | None:
        row = await self.one(f"{_SELECT} and id = ?", (env_id,))
        return Environment(*row) if row else None

    async def organization_of_environment(self, env_id: str) -> str | None:
        row = await self.one("select org_id from environment where id = ?", (env_id,))
        return row[0] if row else None

    async def list_environments(
        self, org_id: str, env_id: str | None, page: Page
    ) -> list[Environment]:
        rows = await self.page(_SELECT, {"org_id = ?": org_id, "id = ?": env_id}, page)
        return [Environment(*row) for row in rows]

    async def add_environment(
        self,
        environment: Environment,
        event: AuditEvent,
        record: IdempotencyRecord | None = None,
        quota: Quota | None = None,
    ) -> None:
        async with self.write_transaction(event.org_id) as connection:
            if record is not None:
                await insert_idempotency_record(connection, record)
            await insert_environment(connection, environment)
            await check_environments(connection, environment.org_id, quota)
            await insert_event(connection, event)

    async def update_environment(
        self, org_id: str, env_id: str, changes: Mapping[str, Any], event: AuditEvent
    ) -> Environment | None:
        async with self.write_transaction(event.org_id) as connection:
            with connection.unique("slug"):
                row = await connection.one(
                    f"update environment set {assignments(changes)}"  # noqa: S608 - names of fields
                    f" where id = :id and org_id = :org_id and {_EXISTS} returning {_COLUMNS}",
                    {**changes, "id": env_id, "org_id": org_id},
                )
            if row is None:
                return None
            await insert_event(connection, event)
            return Environment(*row)

    async def delete_environment(
        self, deletion: PendingDeletion, event: AuditEvent, events: DeletionEvents
    ) -> bool:
        async with self.write_transaction(event.org_id) as connection:
            done = await connection.change(
                # Its slug can be reused; no slug has a tilde.
                "update environment set deleted_at = ?, slug = '~' || id"  # noqa: S608 - constants
                f" where id = ? and org_id = ? and {_EXISTS}",
                (deletion.deleted_at, deletion.id, deletion.org_id),
            )
            if done == 0:
                return False
            await insert_event(connection, event)
            await pending_deletions.begin(connection, deletion, events)
            return True


async def insert_environment(connection: Connection, environment: Environment) -> None:
    """Store an environment in a transaction.

    Raises UniqueViolation for a slug in use, ForeignKeyViolation without its organization.
    """
    with connection.unique("slug"):
        added = await connection.change(
            f"insert into environment ({_COLUMNS}) select ?, ?, ?, ?, ?, ?"
            f" where not {is_pending('?')}",
            (
                environment.id,
                environment.org_id,
                environment.name,
                environment.slug,
                environment.mode,
                environment.created_at,
                environment.org_id,
            ),
        )
    if added == 0:
        raise ForeignKeyViolation(f"the organization {environment.org_id} is being deleted")
