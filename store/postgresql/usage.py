"""Adding usage in bulk: a message for a thousand counts, not one for each."""

from collections.abc import Sequence

from hookstream_keys.store.postgresql.engine import PostgresqlEngine
from hookstream_keys.store.records import Attempts
from hookstream_keys.store.sql.usage import MERGE, in_order

#: Of columns, an array of each. Counts of a deleted key are dropped.
_ADD = f"""
    insert into key_usage (key_id, outcome, count, last_at, last_ip)
    select c.* from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[])
        as c (key_id, outcome, times, last_at, last_ip)
    where exists (select 1 from api_key where id = c.key_id)
    order by c.key_id collate "C", c.outcome collate "C"
    {MERGE}
"""  # noqa: S608 - constants
#: How many counts are in a message: its values are encoded on the event loop, in a millisecond.
BULK = 1_000


class UsageInBulk(PostgresqlEngine):
    """Adding usage."""

    async def add_usage(self, counted: Sequence[Attempts]) -> None:
        """As `Store.add_usage`."""
        rows = in_order(counted)
        async with self.write_transaction() as connection:
            driver = await connection.driver()
            for first in range(0, len(rows), BULK):
                columns = zip(*rows[first : first + BULK], strict=True)
                await driver.execute(_ADD, *map(list, columns))
