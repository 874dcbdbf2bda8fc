from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookstream_keys.domain import cursors
from hookstream_keys.domain.errors import BadRequest

PARTS = st.lists(st.text(st.characters(max_codepoint=127), max_size=40), min_size=1, max_size=4)


@given(PARTS)
def test_what_was_encoded_is_decoded(parts: list[str]) -> None:
    text = cursors.encode(*parts)
    assert cursors.decode(text, len(parts)) == tuple(parts)


@given(PARTS)
def test_a_cursor_is_safe_in_a_url(parts: list[str]) -> None:
    text = cursors.encode(*parts)
    assert all(character.isalnum() or character in "-_" for character in text)


@given(PARTS)
def test_another_number_of_parts_is_another_lists_cursor(parts: list[str]) -> None:
    with pytest.raises(BadRequest):
        cursors.decode(cursors.encode(*parts), len(parts) + 1)


@given(st.text(max_size=60), st.integers(min_value=1, max_value=3))
def test_an_invalid_cursor_is_rejected(text: str, parts: int) -> None:
    with suppress(BadRequest):
        # One text for one place: there is no second spelling of a cursor.
        assert cursors.encode(*cursors.decode(text, parts)) == text


@given(st.text(st.characters(min_codepoint=128, exclude_categories=()), min_size=1, max_size=5))
def test_what_no_database_takes_for_text_is_refused(part: str) -> None:
    with pytest.raises(BadRequest):
        cursors.decode(cursors.encode(part), 1)


def test_the_refusal_names_the_place() -> None:
    with pytest.raises(BadRequest) as caught:
        cursors.decode("!", 2)
    assert [detail.location for detail in caught.value.details] == ["query/cursor"]
