"""Reads inside a write transaction hold what they have read until its commit.

On SQLite the write lock does that. Here a request could otherwise be allowed by a role, a key or a
session that another request ends before the first one is stored. So the first read of anything
of an organization takes the lock of the organization, then reads again.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from hookstream_keys.store.postgresql.engine import PostgresqlEngine
from hookstream_keys.store.postgresql.errors import translating
from hookstream_keys.store.records import ApiKey, Environment, Member, Organization, Session
from hookstream_keys.store.sql.environments import Environments
from hookstream_keys.store.sql.keys import Keys
from hookstream_keys.store.sql.members import Members
from hookstream_keys.store.sql.organizations import Organizations
from hookstream_keys.store.sql.sessions import Sessions

Found = TypeVar("Found")

#: Until the commit it is not deleted.
_HOLD_SESSION = 'select 1 from "session" where id = $1 for share'


class Held(PostgresqlEngine):
    """Reads that hold an organization, where there is a transaction."""

    async def hold(self, org_id: str) -> bool:
        """Take the organization's lock, if there is a transaction that has not; returns whether."""
        connection = self._transaction.get()
        if connection is None or org_id in connection.heads:
            return False
        with translating():
            await connection.lock(org_id)
        return True

    async def held(
        self,
        read: Callable[[], Awaitable[Found | None]],
        org_of: Callable[[Found], str | None],
        *asked: Any,
    ) -> Found | None:
        """What is read, after the lock of its organization, if there is a transaction.

        Where `asked` says what is read, it is read once: others of a group commit have it from
        there, until one of them changes something.
        """
        connection = self._transaction.get()
        if connection is not None and asked in connection.known:
            known: Found = connection.known[asked]
            return known
        found = await read()
        if found is None:
            return None
        org_id = org_of(found)
        if org_id is not None and await self.hold(org_id):
            found = await read()
        if connection is not None and asked and found is not None:
            connection.known[asked] = found
        return found


class HeldReads(Held, Environments, Keys, Members, Organizations, Sessions):
    """The reads that a change of a request relies on."""

    async def find_key(self, digest: bytes) -> ApiKey | None:
        if self._transaction.get() is None:
            # Each verification is here, and holds nothing.
            return await Keys.find_key(self, digest)
        return await self.held(
            lambda: Keys.find_key(self, digest), lambda key: key.org_id, "key", digest
        )

    async def find_key_by_id(self, key_id: str) -> ApiKey | None:
        return await self.held(lambda: Keys.find_key_by_id(self, key_id), lambda key: key.org_id)

    async def find_environment(self, env_id: str) -> Environment | None:
        return await self.held(
            lambda: Environments.find_environment(self, env_id),
            lambda found: found.org_id,
            "environment",
            env_id,
        )

    async def find_organization(self, org_id: str) -> Organization | None:
        return await self.held(
            lambda: Organizations.find_organization(self, org_id), lambda _: org_id
        )

    async def find_member(self, org_id: str, member_id: str) -> Member | None:
        await self.hold(org_id)
        return await Members.find_member(self, org_id, member_id)

    async def role_in(self, org_id: str, user_id: str) -> str | None:
        await self.hold(org_id)
        return await Members.role_in(self, org_id, user_id)

    async def find_session(self, token: str, now: str) -> Session | None:
        # No text of PostgreSQL has this character, and a token may be anything.
        return None if "\0" in token else await Sessions.find_session(self, token, now)

    async def find_session_by_id(self, session_id: str, now: str) -> Session | None:
        def read() -> Awaitable[Session | None]:
            return Sessions.find_session_by_id(self, session_id, now)

        # The organization first, as where a session ends.
        found = await self.held(read, lambda session: session.org_id)
        connection = self._transaction.get()
        if found is None or connection is None:
            return found
        with translating():
            await (await connection.driver()).execute(_HOLD_SESSION, session_id)
        return await read()
