"""The questions that the service asks its database. Every engine answers them the same way."""

from collections.abc import Mapping
from typing import Any, Protocol

from hookstream_keys.store.records import (
    ApiKey,
    AuditEvent,
    AuditFilter,
    ChainCheck,
    Environment,
    KeyFilter,
    Session,
    Tenant,
)


class Store(Protocol):
    """A database. Safe to use from several threads; every method may raise StoreUnavailable."""

    def migrate(self) -> list[str]:
        """Create or upgrade the database and return the migrations that were applied, in order.

        Safe when several processes do it at once. Raises DatabaseTooNew when a newer
        version has been here.
        """

    def check(self) -> None:
        """Return when the database answers and is exactly at this version's migrations.

        Raises StoreUnavailable or DatabaseTooNew otherwise.
        """

    def close(self) -> None:
        """Let go of the database. Nothing is lost; the store cannot be used afterwards."""

    def find_key(self, digest: bytes) -> ApiKey | None:
        """The key whose secret has this SHA-256, revoked or not."""

    def find_key_by_id(self, key_id: str) -> ApiKey | None:
        """The key of this id, revoked or not."""

    def list_keys(
        self, wanted: KeyFilter, limit: int, before: tuple[str, str] | None
    ) -> list[ApiKey]:
        """At most `limit` keys, newest first, after the one of these `created_at` and `id`.

        What comes before in that order makes it no dearer, and what is added meanwhile
        neither repeats a key nor leaves one out.
        """

    def find_session(self, token: str, now: str) -> Session | None:
        """The session of this token, unless it has expired at `now`."""

    def find_environment(self, org_id: str, env_id: str) -> Environment | None:
        """The environment, if it belongs to the organization."""

    def find_environment_of_member(
        self, org_id: str, env_id: str, user_id: str
    ) -> Environment | None:
        """The environment, if it belongs to the organization and the user is a member of that."""

    def add_key(self, key: ApiKey, digest: bytes, event: AuditEvent) -> None:
        """Store a key with its audit event. When this returns, both survive a power failure.

        Raises ReferenceGone when the environment or organization is no longer there.
        """

    def update_key(
        self, key_id: str, changes: Mapping[str, Any], event: AuditEvent
    ) -> ApiKey | None:
        """Give the key other values for fields of `ApiKey`, with the audit event.

        Returns the key as it then is, or None when it is revoked or gone and nothing was changed.
        """

    def revoke_key(self, key_id: str, revoked_at: str, reason: str, event: AuditEvent) -> bool:
        """Make the key useless for ever, with the audit event.

        Returns False, and changes nothing, when it was revoked before or is gone. When this
        returns, no `find_key` of any process hands the key out as good.
        """

    def roles_of(self, user_id: str) -> dict[str, str]:
        """The user's role in each organization, by the organization's id.

        better-auth lets a member have several, separated by commas.
        """

    def add_first_tenant(self, tenant: Tenant) -> bool:
        """Store the tenant if the database has no user and no organization yet.

        Returns whether it was stored; all or nothing, also when two processes try at once.
        """

    def list_events(
        self, wanted: AuditFilter, *, before: int | None, limit: int
    ) -> list[AuditEvent]:
        """At most `limit` events, newest first; with `before`, only those of lower positions."""

    def find_event_position(self, org_id: str, event_id: str) -> int | None:
        """Where in the audit log the organization's event is. Later events are higher."""

    def check_audit_log(self, kept: str | None = None) -> ChainCheck:
        """Follow the audit log's hash chain, as it is at this moment, from its beginning.

        `kept` is the hash, in hexadecimal, of an earlier head that the chain must still contain.
        """
