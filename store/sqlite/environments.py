"""Environments. A deleted one keeps its row, for its revoked keys."""

from collections.abc import Callable, Mapping

from hookstream_keys.domain.quotas import Quota
from hookstream_keys.store.records import ApiKey, AuditEvent, Environment, IdempotencyRecord, Page
from hookstream_keys.store.sqlite.audit import insert_event
from hookstream_keys.store.sqlite.connection import Connection
from hookstream_keys.store.sqlite.engine import Engine, assignments, unique
from hookstream_keys.store.sqlite.idempotency_records import insert_idempotency_record
from hookstream_keys.store.sqlite.quotas import check_environments
from hookstream_keys.store.sqlite.revocations import revoke_all

_COLUMNS = "id, org_id, name, slug, mode, created_at"
_SELECT = f"select {_COLUMNS} from environment where deleted_at is null"  # noqa: S608 - a constant


class Environments(Engine):
    """Queries and changes of environments."""

    def find_environment(self, env_id: str) -> Environment | None:
        row = self.one(f"{_SELECT} and id = ?", (env_id,))
        return Environment(*row) if row else None

    def list_environments(self, org_id: str, env_id: str | None, page: Page) -> list[Environment]:
        rows = self.page(_SELECT, {"org_id = ?": org_id, "id = ?": env_id}, page)
        return [Environment(*row) for row in rows]

    def add_environment(
        self,
        environment: Environment,
        event: AuditEvent,
        record: IdempotencyRecord | None = None,
        quota: Quota | None = None,
    ) -> None:
        with self.write_transaction() as connection:
            insert_idempotency_record(connection, record)
            insert_environment(connection, environment)
            check_environments(connection, environment.org_id, quota)
            insert_event(connection, event)

    def update_environment(
        self, org_id: str, env_id: str, changes: Mapping[str, object], event: AuditEvent
    ) -> Environment | None:
        with self.write_transaction() as connection, unique("slug"):
            row = connection.execute(
                f"update environment set {assignments(changes)}"  # noqa: S608 - names of fields
                f" where id = :id and org_id = :org_id and deleted_at is null returning {_COLUMNS}",
                {**changes, "id": env_id, "org_id": org_id},
            ).fetchone()
            if row is None:
                return None
            insert_event(connection, event)
            return Environment(*row)

    def delete_environment(
        self,
        org_id: str,
        env_id: str,
        deleted_at: str,
        reason: str,
        event: AuditEvent,
        revoked: Callable[[ApiKey], AuditEvent],
    ) -> bool:
        with self.write_transaction() as connection:
            done = connection.execute(
                # Its slug can be reused; no slug has a tilde.
                "update environment set deleted_at = ?, slug = '~' || id"
                " where id = ? and org_id = ? and deleted_at is null",
                (deleted_at, env_id, org_id),
            )
            if done.rowcount == 0:
                return False
            revoke_all(connection, ("env_id", env_id), deleted_at, reason, revoked)
            insert_event(connection, event)
            return True


def insert_environment(connection: Connection, environment: Environment) -> None:
    """Store an environment in a transaction. Raises UniqueViolation for a slug in use."""
    with unique("slug"):
        connection.execute(
            f"insert into environment ({_COLUMNS}) values (?, ?, ?, ?, ?, ?)",  # noqa: S608
            (
                environment.id,
                environment.org_id,
                environment.name,
                environment.slug,
                environment.mode,
                environment.created_at,
            ),
        )
