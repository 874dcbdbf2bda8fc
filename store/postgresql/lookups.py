"""Look-ups of one turn of the event loop as one statement, for each query that is asked.

A query of one row becomes a lateral join with the values that it is asked for: an index scan for
each of them, and one round trip, one plan and one result for all.
"""

import asyncio
import re
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

from hookstream_keys.store.postgresql.batching import Batching
from hookstream_keys.store.postgresql.dialect import translated
from hookstream_keys.store.postgresql.errors import translating
from hookstream_keys.store.postgresql.per_loop import PerLoop
from hookstream_keys.store.postgresql.pool import Pool
from hookstream_keys.store.sql.connection import Row, Values

_TYPES: dict[type, str] = {bytes: "bytea", str: "text", int: "bigint"}
_PLACE = re.compile(r"\$(\d+)")

#: A query, and the types of its values.
_Query = tuple[str, tuple[str, ...]]
_Lookup = Batching[tuple[Any, ...], Row | None]


class Lookups:
    """Look-ups on the connections of a pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._lookups: PerLoop[dict[_Query, _Lookup]] = PerLoop(dict)

    def one(self, sql: str, values: Values) -> asyncio.Future[Row | None]:
        """The first row of a query, or None. It is on its way before it is awaited."""
        statement = translated(sql)
        bound = statement.bound(values)
        types = tuple([_TYPES.get(type(value), "") for value in bound])
        if "" in types:
            # Such as null, which has none.
            return asyncio.ensure_future(self._find_one(statement.sql, types, bound))
        of_loop = self._lookups.here()
        query = statement.sql, types
        lookup = of_loop.get(query)
        if lookup is None:
            lookup = of_loop[query] = Batching(partial(self._find, *query))
        return lookup.asked(bound)

    async def _find_one(
        self, sql: str, types: tuple[str, ...], bound: tuple[Any, ...]
    ) -> Row | None:
        return (await self._find(sql, types, [bound]))[0]

    async def _find(
        self, sql: str, types: tuple[str, ...], asked: Sequence[tuple[Any, ...]]
    ) -> list[Row | None]:
        # Here, so that those that wait learn of it, too.
        with translating():
            return await self._asked(sql, types, asked)

    async def _asked(
        self, sql: str, types: tuple[str, ...], asked: Sequence[tuple[Any, ...]]
    ) -> list[Row | None]:
        async with self._pool.borrowed() as driver:
            if len(asked) == 1 or not types:
                row = await driver.fetchrow(sql, *asked[0])
                return [None if row is None else tuple(row)] * len(asked)
            rows = await driver.fetch(_lateral(sql, types), *map(list, zip(*asked, strict=True)))
        found: list[Row | None] = [None] * len(asked)
        for row in rows:
            found[row[0] - 1] = tuple(row)[1:]
        return found


@lru_cache(maxsize=1024)
def _lateral(sql: str, types: tuple[str, ...]) -> str:
    """The query for lists of values, with the place in them before each row."""
    numbers = range(1, len(types) + 1)
    lists = ", ".join(f"${number}::{kind}[]" for number, kind in zip(numbers, types, strict=True))
    names = ", ".join(f"v{number}" for number in numbers)
    of_one = _PLACE.sub(r"asked.v\1", sql)
    return (
        f"select asked.place, found.* from unnest({lists}) with ordinality"  # noqa: S608 - as given
        f" as asked ({names}, place)"
        f" cross join lateral (select * from ({of_one}) as every_row limit 1) as found"
    )
