"""Fencing: a process that may have lost its primary does not answer.

After a failover the old primary may go on, and a process that is connected to it would still say
that a key is valid which was revoked on the new one. So every process commits a heartbeat each
second. An old primary cannot confirm one: its synchronous standby is the new primary. When the last
heartbeat that was confirmed was sent `FENCE_SECONDS` ago, reads fail. In return no change is
acknowledged by a new primary before it has been one for as long: by then no process reads from
the old one.

Where there may be read replicas, the same holds for a standby that the primary does not wait for
any more: a process may ask it until a heartbeat says so. So no change is acknowledged before the
server's settings and its standbys have been the same for `FENCE_SECONDS`.

A server that is promoted begins a new timeline. Every connection knows its own, and one of an older
timeline is not used after a newer one was seen.
"""

import asyncio
import logging
import time

import asyncpg

from hookstream_keys.store.errors import StoreUnavailable

log = logging.getLogger("hookstream_keys")

#: How long after the last confirmed heartbeat a process answers, in seconds.
FENCE_SECONDS = 5.0
#: How often it sends one, in seconds.
BEAT_SECONDS = 1.0
#: Why a database may confirm nothing.
UNCONFIRMED = (
    "a standby of synchronous_standby_names is away or behind, or another server is the primary"
)

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

#: How long ago the server has read its settings, or a standby has connected, whichever was later,
#: in seconds.
_UNCHANGED_FOR = """
    select extract(epoch from clock_timestamp() - greatest(
        pg_conf_load_time(), (select max(backend_start) from pg_stat_replication)))::float8
"""


class Connection(asyncpg.Connection):
    """A driver's connection that knows its server, and that one's timeline."""

    __slots__ = ("server", "timeline")


class Fence:
    """What a process knows of its primary."""

    def __init__(self) -> None:
        self._latest = 0
        #: When the last confirmed heartbeat was sent, by `time.monotonic`; None in a process that
        #: sends none.
        self._confirmed_at: float | None = None
        #: From when on changes on a timeline are acknowledged, by `time.monotonic`.
        self._settled_at: dict[int, float] = {}
        #: Until when there may be replicas, by `time.monotonic`.
        self._applies_until = float("-inf")
        #: Why the last heartbeat was not confirmed, where that is known.
        self._refusal: str | None = None

    async def look(self, driver: Connection) -> None:
        """Note the timeline of a new connection. Fails on a standby."""
        driver.timeline, commit = await driver.fetchrow(_TIMELINE)
        self.note_commit(commit)
        self._latest = max(self._latest, driver.timeline)

    async def is_newer(self, driver: Connection) -> bool:
        """Whether its server was promoted after the primary of this process. Fails on a standby.

        If so, connections to the older one are not admitted any more.
        """
        before = self._latest
        await self.look(driver)
        return self._latest > before

    def admit(self, driver: Connection) -> None:
        """Raise StoreUnavailable, and close the connection, if its server is no longer primary."""
        if driver.timeline < self._latest:
            driver.terminate()
            raise StoreUnavailable("the database's server was replaced by a standby")

    def require_heartbeats(self) -> None:
        """Let reads fail until a heartbeat is confirmed, and again when the last one is too old."""
        if self._confirmed_at is None:
            self._confirmed_at = float("-inf")

    def confirm(self, sent_at: float) -> None:
        """Note that a heartbeat which was sent then, by `time.monotonic`, was confirmed."""
        self._confirmed_at = max(sent_at, self._confirmed_at or sent_at)
        if self._refusal is not None:
            log.info("the database confirms heartbeats again")
            self._refusal = None

    def refuse(self, why: str) -> None:
        """Note why a heartbeat was not confirmed, and log it where it is news."""
        if why != self._refusal:
            log.warning(
                "the database does not confirm heartbeats: %s", why, extra={"is_news": True}
            )
            self._refusal = why

    def require_confirmed(self) -> None:
        """Raise StoreUnavailable if heartbeats are required, and the last one is too old."""
        if self._confirmed_at is None:
            return
        if time.monotonic() - self._confirmed_at > FENCE_SECONDS:
            why = self._refusal or UNCONFIRMED
            raise StoreUnavailable(
                f"the database has confirmed nothing for {FENCE_SECONDS:.0f} seconds: {why}"
            )

    async def wait_until_settled(self, driver: Connection) -> None:
        """Wait until changes may be acknowledged, where the server was promoted just now."""
        settled_at = self._settled_at.get(driver.timeline)
        if settled_at is None:
            await driver.execute(_BEGIN, driver.timeline)
            unsettled = await driver.fetchval(_WAIT, driver.timeline, FENCE_SECONDS)
            # No longer, where the server's clock was set back.
            wait = min(unsettled, FENCE_SECONDS)
            settled_at = self._settled_at[driver.timeline] = time.monotonic() + wait
        wait = settled_at - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)

    def note_commit(self, setting: str) -> None:
        """Note what `synchronous_commit` is: with `remote_apply` there may be replicas."""
        if setting == "remote_apply":
            # Longer than a process asks replicas after that was changed.
            self._applies_until = time.monotonic() + 2 * FENCE_SECONDS

    async def wait_until_applied(self, driver: Connection) -> None:
        """After a commit, wait until it may be acknowledged, where a replica was left out just now.

        That was by a change of the settings, or another standby has taken its name. Both are asked
        for after the commit, so it does not matter what they were during it.
        """
        if time.monotonic() > self._applies_until:
            return
        wait = FENCE_SECONDS - await driver.fetchval(_UNCHANGED_FOR)
        if wait > 0:
            # No longer, where the server's clock was set.
            await asyncio.sleep(min(wait, FENCE_SECONDS))
