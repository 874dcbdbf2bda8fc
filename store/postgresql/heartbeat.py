"""The heartbeat of a process, and what it demands of the database's servers."""

import secrets
import time
from collections.abc import Sequence
from contextlib import suppress

from hookstream_keys.store.errors import CommitUnknown, StoreError, StoreUnavailable
from hookstream_keys.store.postgresql import moves
from hookstream_keys.store.postgresql.engine import PostgresqlEngine, undurable
from hookstream_keys.store.postgresql.errors import FAILURES, translating
from hookstream_keys.store.postgresql.fencing import (
    BEAT_SECONDS,
    FENCE_SECONDS,
    UNCONFIRMED,
    Connection,
)
from hookstream_keys.store.postgresql.hosts import Hosts
from hookstream_keys.store.postgresql.replicas import Replicas, primary_of

#: How long another host is waited for that may be the primary, in seconds.
LOOK_SECONDS = 1.0

_BEAT = """
    insert into node (id, seen_at) values ($1, clock_timestamp())
    on conflict (id) do update set seen_at = excluded.seen_at
    returning seen_at::text, current_setting('synchronous_commit')
"""
#: Not waited for: where no standby confirms anything, a process starts, and answers 503.
_JOIN = """
    insert into node (id, seen_at, secrets) values ($1, clock_timestamp(), $2)
    on conflict (id) do update set seen_at = excluded.seen_at, secrets = excluded.secrets
"""
#: Other processes that run, or did so just now.
_OTHERS = f"""
    select secrets from node where id <> $1 and secrets is not null
    and seen_at > clock_timestamp() - interval '{2 * FENCE_SECONDS:.0f} seconds'
"""  # noqa: S608 - a constant
_LEAVE = "delete from node where id = $1"
#: Of processes that have ended.
_FORGET = "delete from node where seen_at < clock_timestamp() - interval '1 day'"


class Heartbeat(PostgresqlEngine):
    """Fencing of this process."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._node = secrets.token_hex(16)

    def require_heartbeats(self) -> None:
        """As `Store.require_heartbeats`."""
        self.fence.require_heartbeats()

    async def join(self, secrets: Sequence[str]) -> None:
        """As `Store.join`."""
        try:
            others = await self._joined(secrets)
        except StoreUnavailable as error:
            # It begins all the same, as without a confirmed heartbeat.
            self.fence.refuse(str(error))
            return
        # Each has told its own before it looked, so of two that start at once one sees the other.
        if all(secrets[0] in other and other[0] in secrets for other in others):
            return
        await self.leave()
        raise StoreUnavailable(
            "another node that runs on this database, or did a few seconds ago, has another "
            "BETTER_AUTH_SECRET: sessions and idempotent requests of one would be unknown to the "
            "other. Set the same on every node; docs/signing-secret.md says how to change it"
        )

    async def leave(self) -> None:
        """As `Store.leave`."""
        with suppress(StoreUnavailable), translating():
            async with self._pool.borrowed() as driver, undurable(driver):
                await driver.execute(_LEAVE, self._node)

    async def beat(self) -> float:
        """Send a heartbeat.

        Returns in how many seconds to send the next one. Raises StoreUnavailable.
        """
        sent_at = time.monotonic()
        primary = None
        try:
            async with self._durable(waits=False) as connection:
                driver = await connection.driver()
                beat, setting = await driver.fetchrow(_BEAT, self._node)
                self.fence.note_commit(setting)
                if self.replicas:
                    primary = await primary_of(driver)
        except StoreUnavailable as error:
            # The next one may be confirmed.
            self.fence.refuse(await self._why(error))
            await self.replicas.tell()
            await self._look_for_another_primary()
            return BEAT_SECONDS
        self.fence.confirm(sent_at)
        if primary is not None:
            # After the commit, which was not acknowledged before they had it.
            await self.replicas.check(primary, self._node, beat, sent_at)
        return BEAT_SECONDS

    async def _joined(self, secrets: Sequence[str]) -> list[Sequence[str]]:
        """Tell the secrets of this process; returns those of the others."""
        with translating():
            async with self._pool.borrowed() as driver:
                async with undurable(driver):
                    await driver.execute(_JOIN, self._node, list(secrets))
                rows = await driver.fetch(_OTHERS, self._node)
        return [row[0] for row in rows]

    async def _why(self, failure: StoreUnavailable) -> str:
        """Why a heartbeat was not confirmed."""
        if isinstance(failure, CommitUnknown) or isinstance(failure.__cause__, TimeoutError):
            # It waited for the standby.
            return UNCONFIRMED
        try:
            with translating():
                async with self._pool.borrowed() as driver:
                    await moves.require_home(driver)
        except StoreUnavailable as other:
            return str(other)
        return str(failure)

    async def _look_for_another_primary(self) -> None:
        """Use another host from now on where that has been promoted after this process's primary.

        That one may run on, and be connected to, but it confirms nothing any more.
        """
        for url in self.hosts.urls[1:]:
            with suppress(*FAILURES, StoreUnavailable):
                driver = await Hosts(url).connect(timeout=LOOK_SECONDS, connection_class=Connection)
                try:
                    if await self.fence.is_newer(driver):
                        self.hosts.prefer(url)
                finally:
                    await driver.close(timeout=LOOK_SECONDS)

    async def read_from(self, url: str) -> None:
        """Ask look-ups of the standbys at the hosts of `url`, as soon as heartbeats allow it.

        Raises StoreUnavailable where one of them could be behind what was acknowledged.
        """
        replicas = Replicas.at(url)
        with translating():
            async with self._pool.borrowed() as driver:
                await replicas.require_usable(await primary_of(driver))
        self.replicas = replicas

    async def require_confirming(self) -> None:
        """Raise StoreUnavailable unless the database confirms a change, as a primary does."""
        try:
            await self.try_to_write()
        except StoreError as error:
            raise StoreUnavailable(
                f"the database does not confirm a change ({error}): {UNCONFIRMED}; set "
                "HOOKSTREAM_SINGLE_DATABASE=on to use it all the same"
            ) from error

    async def require_standby(self) -> None:
        """Raise StoreUnavailable where no standby confirms changes."""
        with translating():
            async with self._pool.borrowed() as driver:
                await driver.execute(_FORGET)
                if await driver.fetchval("show synchronous_standby_names"):
                    return
        raise StoreUnavailable(
            "the database has no synchronous standby, so a failover would lose changes that were "
            "acknowledged: set synchronous_standby_names there, or HOOKSTREAM_SINGLE_DATABASE=on "
            "where it has one machine and never fails over, or until it has another standby after "
            "a failover"
        )
