"""Connections to the database, a pool for each event loop."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import asyncpg

from hookstream_keys.store.postgresql.fencing import Connection
from hookstream_keys.store.postgresql.hosts import Hosts
from hookstream_keys.store.postgresql.per_loop import PerLoop

#: How long a statement, a lock, a connection or a free place in the pool is waited for before the
#: database counts as unavailable, in seconds.
WAIT_SECONDS = 5.0

#: How long it is waited for that a statement is cancelled, in seconds.
CANCEL_SECONDS = 0.5

#: The form in which PostgreSQL writes a time in UTC.
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?\+00", re.ASCII)


class Admission(Protocol):
    """What decides which connections are used."""

    async def look(self, driver: Connection) -> None:
        """Look at a new connection. Raises where it is not to be used."""

    def admit(self, driver: Connection) -> None:
        """Raise StoreUnavailable where it is not to be used any more."""


class Pool:
    """At most so many `connections` to `hosts` for each event loop, with these settings.

    Each is looked at by the `fence`, and admitted by it again when it is borrowed. A statement, a
    lock, a connection and a free place are waited for `seconds` each.
    """

    def __init__(
        self,
        hosts: Hosts,
        connections: int,
        fence: Admission,
        seconds: float = WAIT_SECONDS,
        **settings: str,
    ) -> None:
        self._hosts = hosts
        self._fence = fence
        self._connections = connections
        self._seconds = seconds
        self._settings = {
            "application_name": "hookstream-keys",
            "timezone": "UTC",
            "datestyle": "ISO",
            # To compile a look-up takes longer than to run it.
            "jit": "off",
            "lock_timeout": f"{seconds * 1000:.0f}",
            # Of a process that has stopped in the middle of one.
            "idle_in_transaction_session_timeout": f"{seconds * 2000:.0f}",
            **settings,
        }
        self._of_loops = PerLoop(_OfLoop)

    @asynccontextmanager
    async def borrowed(self) -> AsyncIterator[Connection]:
        """A connection for the block."""
        of_loop = self._of_loops.here()
        if of_loop.pool is None:
            async with of_loop.opening:
                if of_loop.pool is None:
                    of_loop.pool = await self._opened()
        driver = await of_loop.pool.acquire(timeout=self._seconds)
        try:
            self._fence.admit(driver)
            yield driver
        finally:
            # A statement that was given up is cancelled first. A server that hangs does not say so:
            # then the connection is closed.
            await of_loop.pool.release(driver, timeout=CANCEL_SECONDS)

    def close(self) -> None:
        """Close the connections at once."""
        for loop, of_loop in self._of_loops.take_all().items():
            if of_loop.pool is not None and not loop.is_closed():
                loop.call_soon_threadsafe(of_loop.pool.terminate)

    async def _opened(self) -> asyncpg.Pool:
        return await asyncpg.create_pool(
            connect=self._hosts.connect,
            # Without a floor, which the driver would restore in the background, with tracebacks.
            min_size=0,
            max_size=self._connections,
            timeout=self._seconds,
            command_timeout=self._seconds,
            init=self._prepare,
            connection_class=Connection,
            # Nothing is set on a connection that would have to be reset.
            reset=_nothing,
            server_settings=self._settings,
        )

    async def _prepare(self, driver: Connection) -> None:
        await self._fence.look(driver)
        await prepare(driver)


class _OfLoop:
    def __init__(self) -> None:
        self.opening = asyncio.Lock()
        self.pool: asyncpg.Pool | None = None


async def _nothing(_: asyncpg.Connection) -> None:
    pass


async def prepare(driver: asyncpg.Connection) -> None:
    """Have values of better-auth's columns in the forms that records have."""
    await driver.set_type_codec(
        "timestamptz", schema="pg_catalog", encoder=str, decoder=_moment, format="text"
    )
    await driver.set_type_codec(
        "bool", schema="pg_catalog", encoder=_flag, decoder="t".__eq__, format="text"
    )


def _moment(stored: str) -> str:
    """A time as records have it; others, such as infinity, as they are."""
    found = _MOMENT.fullmatch(stored)
    if found is None:
        return stored
    day, clock, fraction = found.groups("")
    return f"{day}T{clock}.{fraction[:3]:0<3}Z"


def _flag(value: object) -> str:
    return "t" if value else "f"
