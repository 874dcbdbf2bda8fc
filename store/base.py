"""The questions that the service asks its database. Every engine answers them the same way."""

from typing import Protocol

from hookstream_keys.store.records import ApiKey, AuditEvent, Environment, Session, Tenant


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

    def add_first_tenant(self, tenant: Tenant) -> bool:
        """Store the tenant if the database has no user and no organization yet.

        Returns whether it was stored; all or nothing, also when two processes try at once.
        """
