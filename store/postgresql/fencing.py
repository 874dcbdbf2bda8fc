"""Fencing: a process that may have lost its primary does not answer.

After a failover the old primary may go on, and a process that is connected to it would still say
that a key is valid which was revoked on the new one. So every process commits a heartbeat each
second. An old primary cannot confirm one: its synchronous standby is the new primary. When the last
heartbeat that was confirmed was sent `FENCE_SECONDS` ago, reads fail. In return no change is
acknowledged by a new primary before it has been one for as long: by then no process reads from
the old one.

Where there may be read replicas, the same holds for a standby that `synchronous_standby_names` does
not name any more: a process may ask it until its heartbeat fails. So no change is acknowledged
before these names have been the same for `FENCE_SECONDS`.

A server that is promoted begins a new timeline. Every connection knows its own, and one of an older
timeline is not used after a newer one was seen.
"""

import asyncio
import time

import asyncpg

from hookstream_keys.store.errors import StoreUnavailable

#: How long after the last confirmed heartbeat a process answers, in seconds.
FENCE_SECONDS = 5.0
#: How often it sends one, in seconds.
BEAT_SECONDS = 1.0

#: Fails on a standby, which no connection may be to.
_TIMELINE = """
    select ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int,
        current_setting('synchronous_commit')
"""
#: The moment from which changes on this timeline are acknowledged, in seconds from now. The first
#: timeline that a database is used on has none before it.
_BEGIN = "insert into timeline (id) values ($1) on conflict (id) do nothing"
_WAIT = """
    select case when exists (select 1 from timeline where id <> $1)
        then $2 - extract(epoch from clock_timestamp() - since)::float8 else 0 end
    from timeline where id = $1
"""

_NAMES = "select current_setting('synchronous_standby_names')"
#: Of the names that a database begins with, no replica was asked before.
_FIRST_NAMES = """
    insert into standby_names (one, names, since) values (true, $1, to_timestamp(0))
    on conflict (one) do nothing
"""
_NEW_NAMES = """
    update standby_names set names = $1, since = clock_timestamp() where names <> $1
"""
#: The moment from which changes are acknowledged with these names, in seconds from now.
_NAMES_WAIT = "select $1 - extract(epoch from clock_timestamp() - since)::float8 from standby_names"


class Connection(asyncpg.Connection):
    """A driver's connection that knows the timeline of its server."""

    __slots__ = ("timeline",)


class Fence:
    """What a process knows of its primary."""

    def __init__(self) -> None:
        self._latest = 0
        #: When the last confirmed heartbeat was sent, by `time.monotonic`; None before the first.
        self._confirmed_at: float | None = None
        #: From when on changes on a timeline are acknowledged, by `time.monotonic`.
        self._settled_at: dict[int, float] = {}
        #: Whether commits wait until standbys have applied them, so that there may be replicas.
        self.applies = False
        #: The standbys' names as the last commit found them, and from when on changes are
        #: acknowledged with these, by `time.monotonic`.
        self._names: tuple[str, float] | None = None

    async def look(self, driver: Connection) -> None:
        """Note the timeline of a new connection. Fails on a standby."""
        driver.timeline, commit = await driver.fetchrow(_TIMELINE)
        self.applies = commit == "remote_apply"
        self._latest = max(self._latest, driver.timeline)

    def admit(self, driver: Connection) -> None:
        """Raise StoreUnavailable, and close the connection, if its server is no longer primary."""
        if driver.timeline < self._latest:
            driver.terminate()
            raise StoreUnavailable("the database's server was replaced by a standby")

    def confirm(self, sent_at: float) -> None:
        """Note that a heartbeat which was sent then, by `time.monotonic`, was confirmed."""
        self._confirmed_at = max(sent_at, self._confirmed_at or sent_at)

    def require_confirmed(self) -> None:
        """Raise StoreUnavailable if there are heartbeats, and the last one is too old."""
        if self._confirmed_at is None:
            return
        if time.monotonic() - self._confirmed_at > FENCE_SECONDS:
            raise StoreUnavailable(
                f"the database has confirmed nothing for {FENCE_SECONDS:.0f} seconds, and another "
                "server may be the primary by now"
            )

    async def wait_until_settled(self, driver: Connection) -> None:
        """Wait until changes may be acknowledged, where the server was promoted just now."""
        settled_at = self._settled_at.get(driver.timeline)
        if settled_at is None:
            await driver.execute(_BEGIN, driver.timeline)
            unsettled = await driver.fetchval(_WAIT, driver.timeline, FENCE_SECONDS)
            settled_at = self._settled_at[driver.timeline] = time.monotonic() + unsettled
        wait = settled_at - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)

    async def begin_names(self, driver: Connection) -> None:
        """Note the standbys' names before the first replica is asked."""
        await driver.execute(_FIRST_NAMES, await driver.fetchval(_NAMES))

    async def wait_until_applied(self, driver: Connection) -> None:
        """After a commit, wait until it may be acknowledged, where a replica was left out just now.

        Raises StoreUnavailable where that is not known.
        """
        if not self.applies:
            return
        names = await driver.fetchval(_NAMES)
        if self._names is None or self._names[0] != names:
            await driver.execute(_FIRST_NAMES, names)
            await driver.execute(_NEW_NAMES, names)
            unsettled = await driver.fetchval(_NAMES_WAIT, FENCE_SECONDS)
            self._names = names, time.monotonic() + unsettled
        wait = self._names[1] - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
