"""The questions and changes of the service's database. Every engine serves them the same way."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

from hookstream_keys.store.operator_store import OperatorStore
from hookstream_keys.store.read_store import ReadStore
from hookstream_keys.store.records import (
    ApiKey,
    Attempts,
    AuditEvent,
    Credential,
    DescendantRevocation,
    Environment,
    IdempotencyRecord,
    Member,
    Organization,
    Prunable,
    Rotation,
    Session,
    SessionBound,
    Tenancy,
    Tenant,
    User,
)


class Store(ReadStore, OperatorStore, Protocol):
    """A database. Safe to use from several threads; every method may raise StoreUnavailable.

    What takes a `receipt` is done once: with one of an id that is there already it raises
    Repeated and changes nothing.
    """

    def migrate(self) -> list[str]:
        """Create or upgrade the database and return the migrations that were applied, in order.

        Safe when several processes do it at once. Raises DatabaseTooNew when a newer
        version has been here.
        """

    def try_to_write(self) -> None:
        """Write to the disk what changes nothing. Raises StoreUnavailable when it cannot be."""

    def close(self) -> None:
        """Let go of the database. Nothing is lost; the store cannot be used afterwards."""

    def group_commit(self) -> AbstractContextManager[None]:
        """Let what is stored in the block, by this thread, be stored together.

        Each change is all or nothing by itself, as ever. When the block ends all of them survive a
        power failure; should that fail, it raises StoreUnavailable and none was made.
        """

    def is_in_write_transaction(self) -> bool:
        """Whether this thread is in the block of `together`, and so holds the write lock."""

    def forbid_writes(self) -> None:
        """Let this thread read only from now on: a change that it begins raises RuntimeError."""

    def add_rotation(
        self,
        rotation: Rotation,
        digest: bytes,
        event: AuditEvent,
        record: IdempotencyRecord | None = None,
    ) -> bool:
        """Store a pending rotation, with the digest of its secret and the audit event.

        One that was pending is cancelled. Returns False, and changes nothing, when the key is
        revoked or gone.
        """

    def activate_rotation(
        self,
        rotation_id: str,
        activated_at: str,
        grace_ends_at: str,
        event: AuditEvent,
        restricted_by: Mapping[str, str] | None = None,
    ) -> bool:
        """Make a pending secret the key's own, and the old one valid until its grace ends.

        The key's `restricted_by` is another from then on, if one is given.

        Returns whether the secret is the key's own: also when another process was quicker. False
        when the rotation was cancelled, or the key is revoked or gone; nothing was changed then.
        """

    def cancel_rotation(
        self, org_id: str, key_id: str, rotation_id: str, event: AuditEvent
    ) -> bool:
        """Make a pending rotation's secret useless for ever, with the audit event.

        Returns False, and changes nothing, when it is not pending.
        """

    def add_usage(self, counted: Sequence[Attempts]) -> None:
        """Add to what was counted of keys. Counts go up and times forward only."""

    def add_session(
        self,
        session: Session,
        tenancy: Tenancy | None,
        event: AuditEvent,
        bound: SessionBound | None = None,
    ) -> None:
        """Store a session with the audit event.

        With `tenancy` a user who belongs to no organization gets that as well. With `bound` those
        of the user's other sessions that were renewed longest ago end where there are more, each
        with its event. Raises ReferenceGone when the user is no longer there.
        """

    def renew_session(self, session_id: str, expires_at: str, updated_at: str) -> bool:
        """Let the session last longer. Returns False, and changes nothing, when it is gone."""

    def end_session(self, session_id: str, event: AuditEvent) -> bool:
        """Delete the session, with the audit event.

        Returns False, and changes nothing, when it is gone. When this returns, no process
        finds the session any more.
        """

    def add_user(
        self,
        user: User,
        credential: Credential,
        tenancy: Tenancy,
        session: Session | None,
        events: Sequence[AuditEvent],
    ) -> None:
        """Store a user with all that she begins with, and the audit events.

        Raises Taken when another has her address.
        """

    def add_organization(
        self,
        organization: Organization,
        member: Member,
        event: AuditEvent,
        record: IdempotencyRecord | None = None,
    ) -> None:
        """Store an organization with its first member and the audit event.

        Raises Taken when another has its slug.
        """

    def update_organization(
        self, org_id: str, changes: Mapping[str, object], event: AuditEvent
    ) -> Organization | None:
        """Give the organization another name or slug, with the audit event.

        Returns it as it then is, or None when it is gone. Raises Taken when another has the slug.
        """

    def delete_organization(
        self,
        org_id: str,
        deleted_at: str,
        reason: str,
        event: AuditEvent,
        revoked: Callable[[ApiKey], AuditEvent],
    ) -> bool:
        """Delete the organization, its members' places, environments and keys, with the events.

        `revoked` makes the event of every key that was not revoked before. Returns False, and
        changes nothing, when it is gone.
        """

    def add_member(
        self, member: Member, event: AuditEvent, record: IdempotencyRecord | None = None
    ) -> None:
        """Store a member with the audit event.

        Raises Taken when the user is one already, ReferenceGone when the organization or the
        user is no longer there.
        """

    def update_member(
        self,
        org_id: str,
        member_id: str,
        role: str,
        event: AuditEvent,
        keys: DescendantRevocation | None = None,
    ) -> bool:
        """Give the member another role, with the audit event, and revoke `keys`.

        Returns False, and changes nothing, when the member is gone. Raises LastOwner.
        """

    def remove_member(
        self,
        org_id: str,
        member_id: str,
        event: AuditEvent,
        keys: DescendantRevocation | None = None,
    ) -> bool:
        """Delete the member, with the audit event, and revoke `keys`.

        Returns False, and changes nothing, when the member is gone. Raises LastOwner.
        """

    def add_environment(
        self, environment: Environment, event: AuditEvent, record: IdempotencyRecord | None = None
    ) -> None:
        """Store an environment with the audit event.

        Raises Taken when another of the organization has its slug, ReferenceGone when the
        organization is no longer there.
        """

    def update_environment(
        self, org_id: str, env_id: str, changes: Mapping[str, object], event: AuditEvent
    ) -> Environment | None:
        """Give the environment another name or slug, with the audit event.

        Returns it as it then is, or None when it is gone. Raises Taken when another of the
        organization has the slug.
        """

    def delete_environment(
        self,
        org_id: str,
        env_id: str,
        deleted_at: str,
        reason: str,
        event: AuditEvent,
        revoked: Callable[[ApiKey], AuditEvent],
    ) -> bool:
        """Delete the environment and revoke its keys for `reason`, with the events.

        `revoked` makes the event of every key that was not revoked before. Returns False, and
        changes nothing, when it is gone.
        """

    def add_key(
        self, key: ApiKey, digest: bytes, event: AuditEvent, record: IdempotencyRecord | None = None
    ) -> None:
        """Store a key with its audit event. When this returns, both survive a power failure.

        Raises ReferenceGone when the environment or organization is no longer there.
        """

    def update_key(
        self, org_id: str, key_id: str, changes: Mapping[str, Any], event: AuditEvent
    ) -> ApiKey | None:
        """Give the key other values for fields of `ApiKey`, with the audit event.

        Returns the key as it then is, or None when it is revoked or gone and nothing was changed.
        """

    def revoke_key(
        self,
        org_id: str,
        key_id: str,
        revoked_at: str,
        reason: str,
        event: AuditEvent,
        descendants: DescendantRevocation | None = None,
    ) -> int:
        """Make the key useless for good, with the audit event, and its descendants if wanted.

        Returns how many keys were revoked: one that was revoked before, or is gone, stays as it
        is. When this returns, no `find_key` of any process hands one of them out as valid.
        """

    def add_first_tenant(self, tenant: Tenant) -> bool:
        """Store the tenant if the database has no user and no organization yet.

        Returns whether it was stored; all or nothing, also when two processes try at once.
        """

    def add_events(self, events: Sequence[AuditEvent]) -> None:
        """Store audit events that are about no change, all or none."""

    def prune(self, what: Prunable, before: datetime, most: int) -> int:
        """Delete at most `most` rows of a kind that were over at `before`; how many were deleted.

        0 when there are none. No audit event is stored: that they were over has its own, and
        nothing that is deleted authenticates or changes anything any more. Safe when several
        processes do it at once.
        """
