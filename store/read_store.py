"""The queries of the database, allowed outside a write transaction."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from hookstream_keys.store.records import (
    ApiKey,
    AuditEvent,
    AuditFilter,
    Credential,
    Environment,
    KeyFilter,
    KeyUsage,
    Member,
    Organization,
    Page,
    Rotation,
    Scanned,
    Session,
    User,
)


class ReadStore(Protocol):
    """A database, to read. Safe to use from several threads.

    Every method may raise StoreUnavailable. The coroutines of an engine in this process never
    suspend: `inline.run_inline` runs them without an event loop.
    """

    def deadline(self, seconds: float) -> AbstractContextManager[None]:
        """A block after whose first so many seconds queries of this thread raise QueryTimeout.

        Not for writes: SQLite would roll back the whole transaction.
        """

    async def check(self, *, newer: bool = False) -> None:
        """Return when the database is available and exactly at this version's migrations.

        With `newer` it may have later ones as well, as while nodes are upgraded one by one. Raises
        StoreUnavailable or DatabaseTooNew otherwise.
        """

    async def has_data(self) -> bool:
        """Whether anything was ever recorded in the audit log, or there is a user."""

    def wrote_within(self, seconds: float) -> bool:
        """Whether this process has committed a write within so many seconds."""

    def look_ahead(self, digests: Sequence[bytes]) -> None:
        """Say which keys this task asks `find_key` for soon, so that they are read at once.

        Each answer is given once, and is no older than this call.
        """

    async def find_key(self, digest: bytes) -> ApiKey | None:
        """The key that has a secret of this SHA-256, revoked or not.

        Where that is not the key's own secret, the key has the `rotation` that it belongs to.
        """

    async def find_key_by_id(self, key_id: str) -> ApiKey | None:
        """The key of this id, revoked or not."""

    async def list_keys(self, wanted: KeyFilter, page: Page) -> Scanned[ApiKey, tuple[str, str]]:
        """A page of keys, newest first; a bounded scan, whose position is a time and an id.

        Keyset pagination, here and in the other lists: the cost of a page does not depend on its
        depth, and rows that are added meanwhile neither repeat nor hide another.
        """

    async def count_descendants(
        self, made_by: str, org_id: str, most: int
    ) -> dict[str | None, int]:
        """How many descendants of a user or key are not revoked, by the role of the keys.

        Within the organization, and of the first `most` descendants.
        """

    async def count_rotated(
        self, made_by: str, org_id: str, now: str, most: int
    ) -> dict[str | None, int]:
        """How many keys a filter of `rotated_by` finds at `now`, by the role of the keys.

        Of the first `most` descendants and rotations.
        """

    async def rotations_of(self, key_ids: Sequence[str], now: str) -> dict[str, list[Rotation]]:
        """The rotations, pending or in their grace period, newest first, by the key's id."""

    async def find_rotation(self, key_id: str, rotation_id: str) -> Rotation | None:
        """The rotation, if it is one of the key."""

    async def usage_of(self, key_ids: Sequence[str]) -> dict[str, KeyUsage]:
        """The usage of keys, by the key's id."""

    async def find_pending_revocation(self, org_id: str, cause: str) -> str | None:
        """The id of a revocation of descendants that goes on, with this key or member."""

    async def has_pending_deletions(self) -> bool:
        """Whether the deletion of any environment or organization is not complete."""

    async def find_session(self, token: str, now: str) -> Session | None:
        """The session of this token, unless it has expired at `now` or its user is banned."""

    async def find_session_by_id(self, session_id: str, now: str) -> Session | None:
        """The session of this id, unless it has expired at `now` or its user is banned."""

    async def find_credential(self, email: str) -> tuple[User, Credential] | None:
        """The user of this email address, in lower case, if they have a password."""

    async def find_organization(self, org_id: str) -> Organization | None:
        """The organization of this id."""

    async def list_organizations(self, user_id: str, page: Page) -> list[Organization]:
        """A page of the organizations that the user is a member of, with their role in each.

        The one that they joined last comes first.
        """

    async def role_in(self, org_id: str, user_id: str) -> str | None:
        """The user's role in the organization, if they are a member.

        better-auth lets a member have several, separated by commas.
        """

    async def first_organization_of(self, user_id: str) -> str | None:
        """The organization that the user joined first, of those that they are a member of."""

    async def roles_of(self, user_id: str) -> dict[str, str]:
        """The user's role in each organization, by the organization's id: for the operator."""

    async def find_member(self, org_id: str, member_id: str) -> Member | None:
        """The member of the organization."""

    async def list_members(self, org_id: str, page: Page) -> list[Member]:
        """A page of the organization's members, newest first."""

    async def find_user(self, user_id: str) -> User | None:
        """The user of this id."""

    async def find_user_by_email(self, email: str) -> User | None:
        """The user of this email address, in lower case."""

    async def find_environment(self, env_id: str) -> Environment | None:
        """The environment of this id, unless it was deleted."""

    async def organization_of_environment(self, env_id: str) -> str | None:
        """The id of the organization of this environment, also of a deleted one."""

    async def list_environments(
        self, org_id: str, env_id: str | None, page: Page
    ) -> list[Environment]:
        """A page of the organization's environments, newest first, or only the one of this id."""

    async def list_events(
        self, wanted: AuditFilter, *, before: int | None, limit: int
    ) -> Scanned[AuditEvent, str]:
        """At most `limit` events, newest first; with `before`, only those of lower positions.

        A bounded scan, whose position is the id of an event.
        """

    async def find_event_position(self, org_id: str, event_id: str) -> int | None:
        """Where in the audit log the organization's event is. Later events are higher."""
