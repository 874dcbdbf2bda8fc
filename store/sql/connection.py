"""What the SQL of this room needs of an engine.

It has `?` or `:name` for values, and few words that only SQLite knows, such as `indexed by`. A
write names the organization that it changes, for engines that let several transactions write at
once.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, Protocol

from hookstream_keys.store.records import Page

Row = tuple[Any, ...]
Value = str | bytes | int | float | None
#: By position, or by name.
Values = tuple[Value, ...] | Mapping[str, Value]


class Connection(Protocol):
    """A connection inside a transaction."""

    async def one(self, sql: str, values: Values = ()) -> Row | None:
        """The first row of a statement, or None."""

    async def row(self, sql: str, values: Values = ()) -> Row:
        """The row of a statement that always has one."""

    async def all(self, sql: str, values: Values = ()) -> Sequence[Row]:
        """Every row of a statement."""

    async def change(self, sql: str, values: Values = ()) -> int:
        """Execute a statement; returns how many rows it has changed."""

    async def insert(self, sql: str, table: str, values: Sequence[Value]) -> int:
        """Insert a row, of which the first value is its id; returns how many rows that were.

        The engine may insert it with others, before the next statement or the commit: then it
        returns 1, and the transaction is repeated where that was wrong.
        """

    async def change_many(self, sql: str, values: Sequence[Values]) -> int:
        """Execute a statement for each of these; returns how many rows that has changed."""

    def unique(self, column: str) -> AbstractContextManager[None]:
        """A block that raises UniqueViolation where another row has the value of `column`."""

    async def lock(self, org_id: str) -> None:
        """From here on, no other transaction that names this organization runs at the same time.

        Those that name several name them in the order of their ids.
        """

    async def lock_user(self, user_id: str) -> None:
        """From here on, no other transaction that locks this user runs at the same time."""

    async def chain_head(self, org_id: str) -> tuple[int, bytes]:
        """`seq` and hash of the last event of the chain that the organization's events are in.

        Raises StoreUnavailable when the head is damaged: what cannot be recorded is not done.
        """

    async def move_chain_head(self, org_id: str, seq: int, entry_hash: bytes) -> None:
        """Record that this event is the last one now."""

    async def insert_event(self, sql: str, values: Sequence[Value]) -> None:
        """Insert an event, whose columns are those of `chain`, by the commit at the latest."""

    async def entry_hash(self, org_id: str, seq: int) -> str | None:
        """The hash of an event of that chain in hexadecimal; None where there is none."""


class Engine:
    """The base class of the store's parts: an engine implements these."""

    async def one(self, sql: str, values: Values) -> Row | None:
        """The first row of a query, or None."""
        raise NotImplementedError

    def begin(self, sql: str, asked: Sequence[tuple[Value, ...]]) -> None:
        """Begin a query for each of these values, which `one` is asked for soon by this task.

        Outside of write transactions. An engine in this process has no use for it.
        """

    async def all(self, sql: str, values: Values = ()) -> Sequence[Row]:
        """Every row of a query."""
        raise NotImplementedError

    def write_transaction(
        self, org_id: str | None = None
    ) -> AbstractAsyncContextManager[Connection]:
        """A write transaction, rolled back on any error.

        Inside another one it is a savepoint, durable with the commit of that. With `org_id`, no
        other transaction that names this organization runs at the same time.
        """
        raise NotImplementedError

    async def page(
        self,
        select: str,
        conditions: Mapping[str, Value],
        page: Page,
        order: tuple[str, str] = ("created_at", "id"),
    ) -> Sequence[Row]:
        """A page of `select`, which ends in conditions: those of `conditions` are added.

        Each has a value, and is omitted where that is None. Keyset pagination, newest first: with
        an index on the conditions and `order` the cost of a page does not depend on its depth.
        """
        given = {words: value for words, value in conditions.items() if value is not None}
        values: list[Value] = list(given.values())
        words = list(given)
        if page.before is not None:
            words.append(f"({', '.join(order)}) < (?, ?)")
            values += page.before
        added = "".join(f" and {condition}" for condition in words)
        return await self.all(
            f"{select}{added} order by {order[0]} desc, {order[1]} desc limit ?",
            (*values, page.limit),
        )
