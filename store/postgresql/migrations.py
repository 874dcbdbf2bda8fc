"""Migrations of the PostgreSQL database, never changed once released.

Their numbers are those of the SQLite database's: a database begins with the tables as they are
there after the first 21, and every later step is one of both.
"""

from collections.abc import Mapping
from contextlib import suppress
from importlib import resources
from types import MappingProxyType

import asyncpg

from hookstream_keys.store.errors import DatabaseTooNew

_BEGIN = """
    create table if not exists hookstream_migration (
        name text collate "C" primary key,
        applied_at timestamptz not null default current_timestamp
    )
"""
#: The row that processes which migrate at once wait for. It is no migration.
_WAIT = "lock"


def _statements(name: str) -> str:
    return resources.files(__package__).joinpath(f"{name}.sql").read_text("utf-8")


#: The SQL of each, by its name, in order.
MIGRATIONS: Mapping[str, str] = MappingProxyType(
    {name: _statements(name) for name in ("m0021_tables",)}
)


async def migrate(driver: asyncpg.Connection) -> list[str]:
    """Apply what is missing; returns the names. Raises DatabaseTooNew."""
    if not await pending(driver):
        # Nothing is written then: where no standby confirms it, a start would wait for that.
        return []
    # Where another process is making the table: its type is there first, then the table itself.
    with suppress(
        asyncpg.UniqueViolationError, asyncpg.DuplicateObjectError, asyncpg.DuplicateTableError
    ):
        await driver.execute(_BEGIN)
    async with driver.transaction():
        await driver.execute(
            "insert into hookstream_migration (name) values ($1) on conflict do nothing", _WAIT
        )
        await driver.execute("select 1 from hookstream_migration where name = $1 for update", _WAIT)
        missing = await pending(driver)
        for name in missing:
            await driver.execute(MIGRATIONS[name])
            await driver.execute("insert into hookstream_migration (name) values ($1)", name)
    return missing


async def pending(driver: asyncpg.Connection, *, newer: bool = False) -> list[str]:
    """The names of the migrations that are missing.

    Raises DatabaseTooNew where there are others, unless they may be `newer`.
    """
    if await is_new(driver):
        return list(MIGRATIONS)
    rows = await driver.fetch("select name from hookstream_migration where name <> $1", _WAIT)
    applied = {row[0] for row in rows}
    unknown = sorted(applied - set(MIGRATIONS))
    if unknown and not newer:
        raise DatabaseTooNew(
            f"the database was made by a newer version (it has {unknown[-1]}): "
            "upgrade hookstream-keys"
        )
    return [name for name in MIGRATIONS if name not in applied]


async def is_new(driver: asyncpg.Connection) -> bool:
    """Whether no version has migrated the database yet."""
    found: bool = await driver.fetchval("select to_regclass('hookstream_migration') is null")
    return found
