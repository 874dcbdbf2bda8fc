"""Keyset pagination of lists, newest first."""

from collections.abc import Callable
from itertools import accumulate, takewhile
from typing import Any, Protocol, TypeVar

import orjson

from hookstream_keys.domain import cursors
from hookstream_keys.handlers.context import Answer
from hookstream_keys.store import Page


class Listed(Protocol):
    """An item of a list."""

    @property
    def id(self) -> str:
        """Orders items of the same time."""

    @property
    def created_at(self) -> str:
        """The order of the list."""


Item = TypeVar("Item", bound=Listed)

#: The bytes of a page's items as JSON, unless the first has more: 100 keys of usual size have less.
#: What a request may take of a worker's memory is a multiple of it.
MAX_PAGE_BYTES = 512 * 1024


def answer(
    name: str,
    limit: int,
    cursor: str | None,
    fetch: Callable[[Page], list[Item]],
    views: Callable[[list[Item]], list[dict[str, Any]]],
) -> Answer:
    """A page of at most `limit` items under `name`, after `cursor`.

    It has fewer when they are large: at most `MAX_PAGE_BYTES`, but at least one.
    """
    before = cursors.decode(cursor) if cursor is not None else None
    return page(
        name,
        limit,
        lambda most: fetch(Page(most, before)),
        views,
        lambda last: cursors.encode(last.created_at, last.id),
    ), 200


def page(
    name: str,
    limit: int,
    fetch: Callable[[int], list[Any]],
    views: Callable[[list[Any]], list[dict[str, Any]]],
    cursor_after: Callable[[Any], str],
) -> dict[str, Any]:
    """The body of a page of what `fetch` gives. The cursor is that after the last item."""
    # One more than the limit tells whether there is another page.
    found = fetch(limit + 1)
    items = views(found[:limit])
    count = max(1, _fitting(items))
    more = len(found) > count
    return {
        name: items[:count],
        "cursor": cursor_after(found[count - 1]) if more else None,
        "has_more": more,
    }


def _fitting(items: list[dict[str, Any]]) -> int:
    """How many of the first items have `MAX_PAGE_BYTES` together."""
    sizes = accumulate(len(orjson.dumps(item)) for item in items)
    return sum(1 for _ in takewhile(MAX_PAGE_BYTES.__ge__, sizes))
