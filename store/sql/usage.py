"""The usage of keys and their failed attempts."""

from collections.abc import Sequence
from operator import itemgetter

from hookstream_keys.store.records import Attempts, KeyUsage
from hookstream_keys.store.sql.connection import Engine

#: Where a key has counts already, these are added, and times only move forward, in any order of
#: writes.
MERGE = """
    on conflict (key_id, outcome) do update set
        count = key_usage.count + excluded.count,
        last_ip = case when excluded.last_at >= key_usage.last_at
                       then excluded.last_ip else key_usage.last_ip end,
        last_at = case when excluded.last_at >= key_usage.last_at
                       then excluded.last_at else key_usage.last_at end
"""
#: Counts of a deleted key are dropped.
_ADD = f"""
    insert into key_usage (key_id, outcome, count, last_at, last_ip)
    select :key_id, :outcome, :times, :last_at, :last_ip
    where exists (select 1 from api_key where id = :key_id)
    {MERGE}
"""  # noqa: S608 - constants


def in_order(counted: Sequence[Attempts]) -> list[Attempts]:
    """The order in which rows are written, so that no two processes wait for each other."""
    return sorted(counted, key=itemgetter(0, 1))


class Usage(Engine):
    """Queries and changes of usage."""

    async def add_usage(self, counted: Sequence[Attempts]) -> None:
        async with self.write_transaction() as connection:
            await connection.change_many(_ADD, [each._asdict() for each in in_order(counted)])

    async def usage_of(self, key_ids: Sequence[str]) -> dict[str, KeyUsage]:
        found: dict[str, list[Attempts]] = {key_id: [] for key_id in key_ids}
        if not found:
            return {}
        places = ", ".join("?" for _ in key_ids)
        for row in await self.all(
            "select key_id, outcome, count, last_at, last_ip from key_usage"  # noqa: S608
            f" where key_id in ({places}) order by key_id, outcome",
            tuple(key_ids),
        ):
            found[row[0]].append(Attempts(*row))
        return {key_id: KeyUsage.of(attempts) for key_id, attempts in found.items()}
