"""Read replicas: standbys that look-ups may be asked of instead of the primary.

What a replica answers must be as new as the primary's answer. So the primary waits, before a change
is acknowledged, until each replica has applied it: `synchronous_commit = remote_apply`, and
`synchronous_standby_names` that leave no replica out. With each heartbeat a process looks whether
that is so, and whether the replica has the heartbeat. A replica that has had none for
`FENCE_SECONDS` is not asked, like a primary. In return, when the primary's settings or standbys
have changed, no change is acknowledged for as long: see `fencing.py`.

Only look-ups are asked of replicas. A query that takes long would hold up the application of
changes there, and with it every commit.
"""

import asyncio
import logging
import random
import re
import time
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, NamedTuple

import asyncpg

from hookstream_keys.store.errors import StoreError, StoreUnavailable
from hookstream_keys.store.postgresql.errors import translating
from hookstream_keys.store.postgresql.fencing import FENCE_SECONDS, Connection
from hookstream_keys.store.postgresql.hosts import Hosts, host_of
from hookstream_keys.store.postgresql.lookups import Lookups
from hookstream_keys.store.postgresql.pool import Pool

log = logging.getLogger("hookstream_keys")

#: How many connections a process has at most to a replica.
MAX_CONNECTIONS = 4
#: How long a replica is waited for before the primary is asked instead, in seconds.
WAIT_SECONDS = 1.0

#: The standbys' names are lower-cased, since PostgreSQL compares them so.
_PRIMARY = """
    select current_setting('synchronous_commit'), current_setting('synchronous_standby_names'),
        array(select lower(application_name) from pg_stat_replication)
"""
_REPLICA = """
    select pg_is_in_recovery(), (select conninfo from pg_stat_wal_receiver),
        (select seen_at::text from node where id = $1)
"""

#: Another one for each start of each server.
_SERVER = "select pg_postmaster_start_time()::text"

#: `synchronous_standby_names`: FIRST or ANY, how many, and the list; or only a list, for FIRST 1.
_NAMES = re.compile(r"\s*(?:(?:first|any)\s+)?(?:(\d+)\s*\((.*)\)|(.*))\s*", re.I | re.S)
_NAME = re.compile(r'"((?:[^"]|"")*)"|([^\s,"]+)')
#: The name by which a standby connects, in its connection's parameters.
_CONNECTS_AS = re.compile(r"(?:^|\s)application_name=(\S+)")
_ELSE_CONNECTS_AS = re.compile(r"(?:^|\s)fallback_application_name=(\S+)")


def waited_for(names: str) -> frozenset[str]:
    """The standbys, in lower case, that each commit waits for, by `synchronous_standby_names`.

    Not those that another one can stand in for: of `FIRST 1 (a, b)` and `ANY 1 (a, b)` neither.
    """
    found = _NAMES.fullmatch(names)
    if found is None:
        return frozenset()
    number, of_number, alone = found.groups()
    listed = [
        (quoted.replace('""', '"') or plain).lower()
        for quoted, plain in _NAME.findall(alone if number is None else of_number)
    ]
    if "*" in listed or len(listed) > int(number or 1):
        return frozenset()
    return frozenset(listed)


class Primary(NamedTuple):
    """What the primary says of its standbys."""

    synchronous_commit: str
    #: `synchronous_standby_names`.
    names: str
    connected: Sequence[str]

    def fault(self, name: str) -> str | None:
        """Why a standby of this name may be behind what was acknowledged, or None."""
        if self.synchronous_commit != "remote_apply":
            return (
                f"synchronous_commit is {self.synchronous_commit} for this user, not remote_apply, "
                "so a replica may not have applied what was acknowledged: set it for the whole "
                "server, and nothing else for the user or the database"
            )
        if name not in waited_for(self.names):
            return (
                f"not every commit waits for {name!r}: have synchronous_standby_names list every "
                "replica, and not the primary, and demand all of them, as in 'FIRST 2 (a, b)'"
            )
        if self.connected.count(name) > 1:
            return f"several standbys connect as {name!r}: give each a name of its own"
        return None


async def primary_of(driver: asyncpg.Connection) -> Primary:
    """What this primary says."""
    return Primary(*await driver.fetchrow(_PRIMARY))


class Replica:
    """A standby, at the one host of `url`, and what this process knows of it."""

    def __init__(self, url: str) -> None:
        self.host = host_of(url)
        self._pool = Pool(Hosts(url), MAX_CONNECTIONS, self, WAIT_SECONDS)
        self.lookups = Lookups(self._pool)
        #: When the last heartbeat that it has was sent, by `time.monotonic`.
        self._shown_at = float("-inf")
        #: Which server that was, while it is asked.
        self._server: str | None = None
        self._told: str | None = None

    async def look(self, driver: Connection) -> None:
        """Note which server a new connection is to: an address may lead to several."""
        driver.server = await driver.fetchval(_SERVER)

    def admit(self, driver: Connection) -> None:
        """Raise StoreUnavailable, and close the connection, if it is not to the checked server."""
        if self._server is not None and driver.server != self._server:
            driver.terminate()
            raise StoreUnavailable("the address leads to several servers: name each by its own")

    def is_current(self) -> bool:
        """Whether it has everything that was acknowledged."""
        return time.monotonic() - self._shown_at <= FENCE_SECONDS

    def require_current(self) -> None:
        """Raise StoreUnavailable if it is not known to have everything that was acknowledged."""
        if not self.is_current():
            raise StoreUnavailable("the replica has shown no heartbeat")

    def give_up(self) -> None:
        """Do not ask it before it shows the next heartbeat."""
        self._shown_at = float("-inf")
        self._server = None

    async def fault(self, primary: Primary, node: str, beat: str | None) -> str | None:
        """Why it may be behind, or None.

        `beat` is the process's last heartbeat, if it must have that. Raises StoreUnavailable.
        """
        with translating():
            async with self._pool.borrowed() as driver:
                is_standby, connection, shown = await driver.fetchrow(_REPLICA, node)
                # From here on, so that none is asked that was not checked.
                self._server = driver.server
        if not is_standby:
            return "it is no standby"
        if connection is None:
            return (
                "it does not follow a primary, or the user may not know: "
                "grant pg_read_all_stats to the user"
            )
        name = _CONNECTS_AS.search(connection) or _ELSE_CONNECTS_AS.search(connection)
        if name is None:
            return "it connects to the primary without a name: set application_name there"
        if beat is not None and shown != beat:
            return "it has not applied a change that the primary has acknowledged"
        return primary.fault(name[1].lower())

    async def require_usable(self, primary: Primary) -> None:
        """Raise StoreUnavailable where it could be behind; log it where it does not answer."""
        try:
            fault = await self.fault(primary, "", None)
        except StoreError as error:
            self._tell(str(error))
            return
        if fault is not None:
            raise StoreUnavailable(f"HOOKSTREAM_READ_REPLICAS: the replica at {self.host}: {fault}")

    async def check(self, primary: Primary, node: str, beat: str, sent_at: float) -> None:
        """Ask it from now on, or no longer, and log which where that has changed."""
        fault = await self._in_time(self.fault(primary, node, beat))
        if fault is None:
            self._shown_at = sent_at
        else:
            self.give_up()
        self._tell(fault)

    async def tell(self) -> None:
        """Log it where it does not answer: what waits for it is not confirmed."""
        fault = await self._in_time(self._answers())
        if fault is not None:
            self._tell(fault)

    async def _answers(self) -> None:
        with translating():
            async with self._pool.borrowed() as driver:
                await driver.execute("select 1")

    async def _in_time(self, asked: Coroutine[Any, Any, str | None]) -> str | None:
        """What is asked of it, or that it does not answer."""
        try:
            # In all: the next heartbeat is not to be late for it.
            async with asyncio.timeout(WAIT_SECONDS):
                return await asked
        except TimeoutError:
            return f"it has not answered in {WAIT_SECONDS:.0f} second"
        except StoreError as error:
            return str(error)

    def _tell(self, fault: str | None) -> None:
        if fault != self._told:
            if fault is None:
                log.info("the replica at %s is asked again", self.host)
            else:
                log.warning(
                    "the replica at %s is not asked: %s", self.host, fault, extra={"is_news": True}
                )
            self._told = fault

    def close(self) -> None:
        """Close its connections."""
        self._pool.close()


class Replicas:
    """All of them, in this process's own order: it asks the first that is current."""

    def __init__(self, urls: Iterable[str] = ()) -> None:
        self._all = [Replica(url) for url in urls]
        # Not for secrets: so that processes share the load.
        random.shuffle(self._all)

    @classmethod
    def at(cls, url: str) -> "Replicas":
        """One at each host of a URL."""
        return cls(Hosts(url).urls)

    def __bool__(self) -> bool:
        return bool(self._all)

    def current(self) -> Replica | None:
        """The one to ask, if any."""
        for replica in self._all:
            if replica.is_current():
                return replica
        return None

    async def require_usable(self, primary: Primary) -> None:
        """Raise StoreUnavailable where one could be behind.

        One that does not answer is asked as soon as it does.
        """
        for replica in self._all:
            await replica.require_usable(primary)

    async def tell(self) -> None:
        """Log those that do not answer."""
        await asyncio.gather(*(each.tell() for each in self._all))

    async def check(self, primary: Primary, node: str, beat: str, sent_at: float) -> None:
        """Look which of them have the heartbeat that this process, `node`, sent then."""
        await asyncio.gather(*(each.check(primary, node, beat, sent_at) for each in self._all))

    def close(self) -> None:
        """Close the connections."""
        for replica in self._all:
            replica.close()
