"""Keyset pagination of lists, newest first."""

from collections.abc import Awaitable, Callable
from itertools import accumulate, takewhile
from typing import Any, Protocol, TypeVar

import orjson

from hookstream_keys.domain import cursors
from hookstream_keys.handlers.context import Answer
from hookstream_keys.store import Page, Scanned


class Listed(Protocol):
    """An item of a list."""

    @property
    def id(self) -> str:
        """Orders items of the same time."""

    @property
    def created_at(self) -> str:
        """The order of the list."""


Item = TypeVar("Item", bound=Listed)
Position = TypeVar("Position")
#: A time and an id.
SortKey = tuple[str, str]

#: The bytes of a page's items as JSON, unless the first has more: 100 keys of usual size have less.
#: What a request may take of a worker's memory is a multiple of it.
MAX_PAGE_BYTES = 256 * 1024


def _sort_key(item: Listed) -> SortKey:
    return item.created_at, item.id


async def answer(
    name: str,
    limit: int,
    cursor: str | None,
    fetch: Callable[[Page], Awaitable[list[Item]]],
    views: Callable[[list[Item]], Awaitable[list[dict[str, Any]]]],
    position_of: Callable[[Item], SortKey] = _sort_key,
) -> Answer:
    """A page of at most `limit` items under `name`, after `cursor`.

    It has fewer when they are large: at most `MAX_PAGE_BYTES`, but at least one.
    """

    async def fetch_all(part: Page) -> Scanned[Item, SortKey]:
        return Scanned(await fetch(part))

    return await answer_scanned(name, limit, cursor, fetch_all, views, position_of)


async def answer_scanned(
    name: str,
    limit: int,
    cursor: str | None,
    fetch: Callable[[Page], Awaitable[Scanned[Item, SortKey]]],
    views: Callable[[list[Item]], Awaitable[list[dict[str, Any]]]],
    position_of: Callable[[Item], SortKey] = _sort_key,
) -> Answer:
    """As `answer`, of a bounded scan: a page may also have no item, and another page after it."""
    before = cursors.decode(cursor) if cursor is not None else None
    body = await page(
        name,
        limit,
        lambda most: fetch(Page(most, before)),
        views,
        position_of=position_of,
        cursor_of=lambda position: cursors.encode(*position),
    )
    return body, 200


async def page(
    name: str,
    limit: int,
    fetch: Callable[[int], Awaitable[Scanned[Any, Position]]],
    views: Callable[[list[Any]], Awaitable[list[dict[str, Any]]]],
    *,
    position_of: Callable[[Any], Position],
    cursor_of: Callable[[Position], str],
) -> dict[str, Any]:
    """The body of a page of what `fetch` gives.

    The cursor is that of the last item's position, or of the one where the scan ended.
    """
    # One more than the limit tells whether there is another page.
    found, position = await fetch(limit + 1)
    items = await views(found[:limit])
    count = max(1, _fitting(items))
    if len(found) > count:
        position = position_of(found[count - 1])
    return {
        name: items[:count],
        "cursor": None if position is None else cursor_of(position),
        "has_more": position is not None,
    }


def _fitting(items: list[dict[str, Any]]) -> int:
    """How many of the first items have `MAX_PAGE_BYTES` together."""
    sizes = accumulate(len(orjson.dumps(item)) for item in items)
    return sum(1 for _ in takewhile(MAX_PAGE_BYTES.__ge__, sizes))
