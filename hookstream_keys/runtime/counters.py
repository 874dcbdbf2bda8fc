"""What counts requests for their rate limits: a file for one machine, or a table for several."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from hookstream_keys.domain.limits import Decision, Limit
from hookstream_keys.runtime.rate_limit_counters import RateLimitCounters, limits_path
from hookstream_keys.store import Store


class Counters(Protocol):
    """Leaky buckets by their names. Every method may raise StoreUnavailable."""

    #: Whether they are asked over the network, where an answer may take long.
    is_remote: bool

    async def consume(self, name: str, limit: Limit, cost: int = 1) -> Decision:
        """Consume `cost` of the limit of this name, if it allows that."""

    async def refund(self, name: str, limit: Limit, cost: int = 1) -> None:
        """Undo a `consume`."""

    async def peek(self, name: str, limit: Limit, cost: int = 0) -> Decision:
        """What `consume` would return for `cost`; consumes nothing."""

    async def forget(self, name: str, limit: Limit) -> None:
        """Empty the bucket of this name, whose limit was `limit`."""

    async def clear(self) -> None:
        """Empty all buckets."""

    async def prune(self) -> bool:
        """Delete buckets that are empty; returns whether there may be more."""

    def close(self) -> None:
        """Close the file or the connections."""


def open_counters(store: Store, file: Path | None, clock: Callable[[], int]) -> Counters:
    """The counters beside the store's `file`, or in its database where that is PostgreSQL.

    `clock` is that of a file: nanoseconds. Raises StoreUnavailable.
    """
    if file is not None:
        return RateLimitCounters(limits_path(file), clock)
    # Here, since most databases are files, and need no driver.
    from hookstream_keys.store.postgresql import PostgresqlStore
    from hookstream_keys.store.postgresql.rate_limits import RateLimits

    if not isinstance(store, PostgresqlStore):
        raise TypeError("a store of neither a file nor PostgreSQL")
    return RateLimits(store)
