"""Keyset pagination of lists, newest first."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

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


def answer(
    name: str,
    limit: int,
    cursor: str | None,
    fetch: Callable[[Page], list[Item]],
    views: Callable[[list[Item]], list[dict[str, Any]]],
) -> Answer:
    """A page of at most `limit` items under `name`, after `cursor`."""
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
    items, more = found[:limit], len(found) > limit
    return {
        name: views(items),
        "cursor": cursor_after(items[-1]) if more else None,
        "has_more": more,
    }
