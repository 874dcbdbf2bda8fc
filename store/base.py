"""The interface of the database, the same for every engine."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol

from hookstream_keys.domain.quotas import NO_QUOTAS, Quota, Quotas
from hookstream_keys.store.aside import Aside, Result
from hookstream_keys.store.operator_store import OperatorStore
from hookstream_keys.store.read_store import ReadStore
from hookstream_keys.store.records import (
    ApiKey,
    Attempts,
    AuditEvent,
    Credential,
    DeletionEvents,
    Environment,
    IdempotencyRecord,
    Member,
    Organization,
    PendingDeletion,
    Prunable,
    RevocationEvents,
    RevocationProgress,
    RevocationWork,
    Rotation,
    Session,
    SessionBound,
    Tenancy,
    Tenant,
    User,
)


class Store(ReadStore, OperatorStore, Protocol):
    """A database. Safe to use from several threads; every method may raise StoreUnavailable.

    Methods with a `record` are idempotent: when one with its id exists, they raise IdempotentReplay
    and change nothing. Those with a quota raise QuotaReached, and change nothing, when one more
    resource would exceed it.
    """

    def migrate(self) -> list[str]:
        """Create or upgrade the database and return the migrations that were applied, in order.

        Safe when several processes do it at once. Raises DatabaseTooNew when a newer version has
        migrated it.
        """

    async def try_to_write(self) -> None:
        """Test that the disk can be written. Raises StoreUnavailable when it cannot."""

    async def beat(self) -> float | None:
        """Have the database confirm that it is this process's.

        Returns in how many seconds to do it again, or None where a file needs none.
        """

    def require_heartbeats(self) -> None:
        """Let reads fail until `beat` was confirmed, and whenever that was too long ago.

        Nothing, where a file needs none.
        """

    async def join(self, secrets: Sequence[str]) -> None:
        """Tell the other processes on the database with which secrets this one signs and verifies.

        They are fingerprints, the first of the one that signs. Raises StoreUnavailable where a
        process that runs would not verify what another one signs. Nothing, where a file has one.
        """

    async def leave(self) -> None:
        """Tell them that this process ends."""

    async def require_confirming(self) -> None:
        """Raise StoreUnavailable where the database confirms no change, as another server's may.

        For a process that sends no heartbeats.
        """

    async def require_standby(self) -> None:
        """Raise StoreUnavailable where a failover would lose acknowledged changes."""

    async def confirm_earlier(self) -> None:
        """Have this transaction's commit confirm those that it sees, as a change of its own would.

        For an answer that says that something is done already.
        """

    async def read_from(self, url: str) -> None:
        """Ask look-ups of read replicas, at the hosts of this URL.

        Raises UnsupportedDatabase where the engine has none, and StoreUnavailable where one could
        be behind what was acknowledged.
        """

    def close(self) -> None:
        """Close the database. Nothing is lost; the store cannot be used afterwards."""

    def group_commit(self) -> AbstractAsyncContextManager[None]:
        """Commit all writes of the block at once.

        Of the block's task, or where the engine never suspends, its thread.

        Each write is still atomic. When the block ends all of them are durable; when its commit
        fails, it raises StoreUnavailable and none was made.
        """

    def is_in_write_transaction(self) -> bool:
        """Whether this is in the block of a `group_commit`."""

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """What a coroutine returns that waits for nothing but this store.

        For a thread without an event loop, such as a command's.
        """

    async def read_beside(
        self, read: Callable[[], Coroutine[Any, Any, Result]], aside: Aside
    ) -> Result:
        """What a coroutine function returns that reads for long, and waits for this store only.

        It holds no other coroutine up: `aside` runs it where the engine never suspends.
        """

    def forbid_writes(self) -> None:
        """Make this thread read-only: writes raise RuntimeError."""

    async def add_rotation(
        self,
        rotation: Rotation,
        digest: bytes,
        event: AuditEvent,
        record: IdempotencyRecord | None = None,
        quota: Quota | None = None,
    ) -> bool:
        """Store a pending rotation, with the digest of its secret and the audit event.

        The `quota` is of rotations that are pending or in their grace period.

        A pending one is cancelled. Returns False, and changes nothing, when the key is revoked or
        deleted.
        """

    async def activate_rotation(
        self,
        rotation_id: str,
        activated_at: str,
        grace_ends_at: str,
        event: AuditEvent,
        restricted_by: Mapping[str, str] | None = None,
    ) -> bool:
        """Make a pending secret the key's own, and the old one valid for its grace period.

        Sets the key's `restricted_by`, if given. Returns whether the secret is the key's own, also
        when another process has activated it. False, without changes, when the rotation was
        cancelled, or the key is revoked or deleted.
        """

    async def cancel_rotation(
        self, org_id: str, key_id: str, rotation_id: str, event: AuditEvent
    ) -> bool:
        """Cancel a pending rotation permanently, with the audit event.

        Returns False, and changes nothing, when it is not pending.
        """

    async def add_usage(self, counted: Sequence[Attempts]) -> None:
        """Add to the usage of keys. Counts only increase, and times only move forward."""

    async def add_session(
        self,
        session: Session,
        tenancy: Tenancy | None,
        event: AuditEvent,
        bound: SessionBound | None = None,
    ) -> None:
        """Store a session with the audit event.

        With `tenancy` a user without an organization gets that as well. With `bound` the user's
        least recently renewed sessions beyond it end, each with its event. Raises
        ForeignKeyViolation when the user was deleted.
        """

    async def renew_session(self, session_id: str, expires_at: str, updated_at: str) -> bool:
        """Renew the session. Returns False, and changes nothing, when it has ended."""

    async def end_session(self, session_id: str, event: AuditEvent) -> bool:
        """Delete the session, with the audit event.

        Returns False, and changes nothing, when it has ended. Afterwards no process finds the
        session.
        """

    async def add_user(
        self,
        user: User,
        credential: Credential,
        tenancy: Tenancy,
        session: Session | None,
        events: Sequence[AuditEvent],
    ) -> None:
        """Store a user with their first organization, and the audit events.

        Raises UniqueViolation when another user has their email address.
        """

    async def add_organization(
        self,
        organization: Organization,
        member: Member,
        event: AuditEvent,
        record: IdempotencyRecord | None = None,
        quota: Quota | None = None,
    ) -> None:
        """Store an organization with its first member and the audit event.

        The `quota` is of that user's organizations. Raises UniqueViolation when another has its
        slug.
        """

    async def update_organization(
        self, org_id: str, changes: Mapping[str, Any], event: AuditEvent
    ) -> Organization | None:
        """Change the organization's name or slug, with the audit event.

        Returns the changed one, or None when it was deleted. Raises UniqueViolation when another
        has the slug.
        """

    async def delete_organization(
        self, deletion: PendingDeletion, event: AuditEvent, events: DeletionEvents
    ) -> bool:
        """Delete the organization, its memberships, environments and keys, with the event.

        They are gone at once for every query, and the keys revoked. Their rows are deleted by
        `continue_deletion`, if there are many, with the `events` of the keys and of the end.
        Returns False, and changes nothing, when it is gone.
        """

    async def add_member(
        self,
        member: Member,
        event: AuditEvent,
        record: IdempotencyRecord | None = None,
        quotas: Quotas = NO_QUOTAS,
    ) -> None:
        """Store a member with the audit event.

        Of the `quotas`, those of the organization's members and the user's organizations apply.
        Raises UniqueViolation when the user is one already, ForeignKeyViolation when the
        organization or the user was deleted.
        """

    async def update_member(
        self,
        org_id: str,
        member_id: str,
        role: str,
        event: AuditEvent,
        keys: RevocationWork | None = None,
    ) -> RevocationProgress | None:
        """Change the member's role, with the audit event, and begin to revoke `keys`.

        `continue_revocation` goes on, if there are many. Returns None, and changes nothing, when
        the member is gone. Raises LastOwner.
        """

    async def remove_member(
        self,
        org_id: str,
        member_id: str,
        event: AuditEvent,
        keys: RevocationWork | None = None,
    ) -> RevocationProgress | None:
        """Delete the member, with the audit event, and begin to revoke `keys`.

        `continue_revocation` goes on, if there are many. Returns None, and changes nothing, when
        the member is gone. Raises LastOwner.
        """

    async def add_environment(
        self,
        environment: Environment,
        event: AuditEvent,
        record: IdempotencyRecord | None = None,
        quota: Quota | None = None,
    ) -> None:
        """Store an environment with the audit event.

        The `quota` is of environments that are not deleted. Raises UniqueViolation when another of
        the organization has its slug, ForeignKeyViolation when the organization was deleted.
        """

    async def update_environment(
        self, org_id: str, env_id: str, changes: Mapping[str, Any], event: AuditEvent
    ) -> Environment | None:
        """Change the environment's name or slug, with the audit event.

        Returns the changed one, or None when it was deleted. Raises UniqueViolation when another of
        the organization has the slug.
        """

    async def delete_environment(
        self, deletion: PendingDeletion, event: AuditEvent, events: DeletionEvents
    ) -> bool:
        """Delete the environment and revoke its keys, with the event.

        The keys are revoked at once for every query. Their rows are changed by
        `continue_deletion`, if there are many, with the `events` of each and of the end. Returns
        False, and changes nothing, when it is gone.
        """

    async def continue_deletion(self, events: DeletionEvents, rows: int, seconds: float) -> bool:
        """Continue a pending deletion, in one transaction; returns whether any is left.

        It changes one row at least, then others until it has changed so many `rows` or so many
        seconds have passed. Safe when several processes do it at once.
        """

    async def add_key(
        self,
        key: ApiKey,
        digest: bytes,
        event: AuditEvent,
        record: IdempotencyRecord | None = None,
        quota: Quota | None = None,
    ) -> None:
        """Store a key with its audit event, durably.

        The `quota` is of keys that are neither revoked nor expired. Raises ForeignKeyViolation when
        the environment or organization was deleted.
        """

    async def update_key(
        self,
        org_id: str,
        key_id: str,
        changes: Mapping[str, Any],
        event: AuditEvent,
        quota: Quota | None = None,
    ) -> ApiKey | None:
        """Change fields of the key, with the audit event.

        The `quota` is that of `add_key`, for a change of an expired key that makes it valid again.

        Returns the changed key, or None, without changes, when it is revoked or deleted.
        """

    async def revoke_key(
        self,
        org_id: str,
        key_id: str,
        revoked_at: str,
        reason: str,
        event: AuditEvent,
        with_descendants: RevocationWork | None = None,
    ) -> RevocationProgress:
        """Revoke the key permanently, with the audit event, and begin with its descendants.

        A revoked or deleted key is not changed. Afterwards no process finds it valid. If there are
        many descendants, `continue_revocation` goes on.
        """

    async def continue_revocation(
        self, revocation_id: str, events: RevocationEvents, rows: int, seconds: float
    ) -> RevocationProgress:
        """Continue a revocation of descendants in one transaction, if it is not complete.

        It visits one row at least, then others until it has visited so many `rows` or so many
        seconds have passed. Safe when several processes do it at once. Raises StoreUnavailable
        when there is no such revocation.
        """

    async def continue_revocations(
        self, events: RevocationEvents, rows: int, seconds: float, before: str
    ) -> bool:
        """Continue any revocation of descendants, as above; returns whether any is left.

        Removes the rows of complete ones that were begun before a time.
        """

    async def add_first_tenant(self, tenant: Tenant) -> bool:
        """Store the tenant if the database has no user and no organization yet.

        Returns whether it was stored. Atomic, also when two processes try at once.
        """

    async def add_events(self, events: Sequence[AuditEvent]) -> None:
        """Store audit events without a change, in one transaction."""

    async def seal_chains(
        self, before: str, recorded: Callable[[Mapping[str, Any]], AuditEvent]
    ) -> bool:
        """Store an event that seals the chains that have moved, unless the last one is not older.

        `recorded` makes it from its details. Returns whether it was stored: never where all
        organizations share one chain.
        """

    async def prune(self, what: Prunable, before: datetime, most: int) -> int:
        """Delete at most `most` rows of a kind that had ended at `before`; returns how many.

        Stores no audit event: their end has its own, and the deleted rows have no effect any more.
        Safe when several processes do it at once.
        """
