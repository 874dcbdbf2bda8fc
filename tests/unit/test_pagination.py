from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from support.results import result_of

from hookstream_keys.handlers.pagination import MAX_PAGE_BYTES, page
from hookstream_keys.store import Scanned


def read_all(sizes: list[int], limit: int) -> list[list[int]]:
    """The numbers of the items on each page of a list whose items have these sizes."""
    pages: list[list[int]] = []
    start = 0
    while True:

        async def fetch(most: int) -> Scanned[int, int]:
            # Called at once.
            return Scanned(list(range(start, min(start + most, len(sizes)))))  # noqa: B023

        async def views(numbers: list[int]) -> list[dict[str, Any]]:
            return [{"number": each, "text": "x" * sizes[each]} for each in numbers]

        body = result_of(
            page(
                "items",
                limit,
                fetch,
                views,
                position_of=int,
                cursor_of=str,
            )
        )
        pages.append([item["number"] for item in body["items"]])
        assert_bounded(body["items"])
        assert body["has_more"] == (body["cursor"] is not None)
        if body["cursor"] is None:
            return pages
        start = int(body["cursor"]) + 1


def assert_bounded(items: list[dict[str, Any]]) -> None:
    size = sum(len(orjson.dumps(item)) for item in items)
    assert len(items) <= 1 or size <= MAX_PAGE_BYTES


SIZES = st.one_of(st.integers(0, 100), st.integers(0, MAX_PAGE_BYTES * 2))


@given(st.lists(SIZES, max_size=12), st.integers(1, 5))
def test_pages_are_bounded_in_bytes_and_lose_no_item(sizes: list[int], limit: int) -> None:
    pages = read_all(sizes, limit)
    assert [number for numbers in pages for number in numbers] == list(range(len(sizes)))
    assert all(numbers and len(numbers) <= limit for numbers in pages) or not sizes


def test_small_items_fill_a_page() -> None:
    assert [len(numbers) for numbers in read_all([2500] * 250, 100)] == [100, 100, 50]
