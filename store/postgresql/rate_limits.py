"""Rate-limit counters of all nodes: leaky buckets in a table.

The table is unlogged and its commits are not waited for: after a crash of the database's server
every bucket is empty. Time is the database's, so that the nodes' clocks need not agree. Buckets are
read without a lock, and written where no other node has written them meanwhile (compare and swap);
otherwise they are read again.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from hookstream_keys.domain.limits import Decision, Limit, carried_over, decide
from hookstream_keys.store.errors import StoreUnavailable
from hookstream_keys.store.postgresql.batching import Batching
from hookstream_keys.store.postgresql.connection import rows_changed
from hookstream_keys.store.postgresql.engine import PostgresqlEngine
from hookstream_keys.store.postgresql.errors import translating
from hookstream_keys.store.postgresql.per_loop import PerLoop
from hookstream_keys.store.postgresql.pool import Pool

#: How often a bucket is read again, after other nodes have written it.
MAX_TRIES = 20
#: How many of those that are empty a prune deletes at once.
_PRUNED_AT_ONCE = 1_000

_NOW = "(extract(epoch from clock_timestamp()) * 1000000000)::bigint"
_FIND = f"""
    select b.empty_at, b.interval, {_NOW}
    from unnest($1::bytea[]) with ordinality as asked (id, place)
    left join rate_limit b on b.id = asked.id order by place
"""  # noqa: S608 - constants
#: Returns those that were written. A new bucket expects 0, which no stored one has.
_WRITE = """
    insert into rate_limit as b (id, empty_at, interval, expected)
    select * from unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[])
    on conflict (id) do update set empty_at = excluded.empty_at, interval = excluded.interval
        where b.empty_at = excluded.expected
    returning id
"""
_PRUNE = f"""
    delete from rate_limit where id in (
        select id from rate_limit where empty_at < {_NOW} limit {_PRUNED_AT_ONCE:d})
        and empty_at < {_NOW}
"""  # noqa: S608 - constants


class _Use(NamedTuple):
    bucket: bytes
    limit: Limit
    cost: int


class _Bucket(NamedTuple):
    empty_at: int
    interval: int
    #: What it was when it was read: 0 for a new one.
    was: int


class RateLimits:
    """The leaky buckets in a store's database. Every method may raise StoreUnavailable."""

    is_remote = True

    def __init__(self, store: PostgresqlEngine) -> None:
        # Of the store's primary: an old one may go on, and would count for itself.
        self._pool = Pool(store.hosts, 1, store.fence, synchronous_commit="off")
        self._batching = PerLoop(lambda: Batching(self._decided))

    async def consume(self, name: str, limit: Limit, cost: int = 1) -> Decision:
        """Consume `cost` of the limit of this name, if it allows that."""
        return await self._change(name, limit, cost)

    async def refund(self, name: str, limit: Limit, cost: int = 1) -> None:
        """Undo a `consume`."""
        await self._change(name, limit, -cost)

    async def peek(self, name: str, limit: Limit, cost: int = 0) -> Decision:
        """What `consume` would return for `cost`; consumes nothing."""
        with translating():
            async with self._pool.borrowed() as driver:
                (row,) = await driver.fetch(_FIND, [_hashed(name)])
        bucket, now = _read(row, limit)
        return decide(limit, bucket.empty_at, now, cost)[1]

    async def forget(self, name: str, limit: Limit) -> None:
        """Empty the bucket of this name, whose limit was `limit`."""
        await self._change(name, limit, -limit.requests)

    async def clear(self) -> None:
        """Empty all buckets."""
        with translating():
            async with self._pool.borrowed() as driver:
                await driver.execute("delete from rate_limit")

    async def prune(self) -> bool:
        """Delete buckets that are empty; returns whether there may be more."""
        with translating():
            async with self._pool.borrowed() as driver:
                tag = await driver.execute(_PRUNE)
        return rows_changed(tag) == _PRUNED_AT_ONCE

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    async def _change(self, name: str, limit: Limit, cost: int) -> Decision:
        return await self._batching.here().asked(_Use(_hashed(name), limit, cost))

    async def _decided(self, uses: Sequence[_Use]) -> Sequence[Decision]:
        """The decisions of uses, each after those before it."""
        decisions: dict[int, Decision] = {}
        left = list(enumerate(uses))
        with translating():
            for _ in range(MAX_TRIES):
                written = await self._try(left, decisions)
                left = [each for each in left if each[1].bucket not in written]
                if not left:
                    return [decisions[place] for place in range(len(uses))]
        raise StoreUnavailable("a rate limit is counted by too many nodes at once")

    async def _try(
        self, uses: list[tuple[int, _Use]], decisions: dict[int, Decision]
    ) -> set[bytes]:
        """Decide these, and write their buckets; returns which of them hold."""
        # In one order, so that no two nodes wait for each other.
        asked = sorted({use.bucket for _, use in uses})
        async with self._pool.borrowed() as driver:
            rows = dict(zip(asked, await driver.fetch(_FIND, asked), strict=True))
            buckets: dict[bytes, _Bucket] = {}
            for place, (bucket, limit, cost) in uses:
                found, now = _read(rows[bucket], limit, buckets.get(bucket))
                empty_at, decisions[place] = decide(limit, found.empty_at, now, cost)
                buckets[bucket] = found._replace(empty_at=empty_at)
            written = await driver.fetch(
                _WRITE,
                asked,
                [buckets[each].empty_at for each in asked],
                [buckets[each].interval for each in asked],
                [buckets[each].was for each in asked],
            )
        return {row[0] for row in written}


def _read(
    row: tuple[int | None, int | None, int], limit: Limit, earlier: _Bucket | None = None
) -> tuple[_Bucket, int]:
    """The bucket under this limit, as a row or an earlier use of the batch has it; and the time."""
    stored_empty_at, stored_interval, now = row
    was = stored_empty_at or 0
    if earlier is not None:
        empty_at, interval = earlier.empty_at, earlier.interval
    else:
        empty_at, interval = stored_empty_at or now, stored_interval or limit.interval
    if interval != limit.interval:
        # Another limit has filled it.
        empty_at = carried_over(empty_at, interval, limit, now)
    return _Bucket(empty_at, limit.interval, was), now


def _hashed(name: str) -> bytes:
    # Names contain addresses, which the table need not have.
    return blake2b(name.encode(), digest_size=16).digest()
