import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookstream_keys.contract import spec
from hookstream_keys.domain import cursors, ids, timestamps
from hookstream_keys.domain.errors import BadRequest

PATTERN: str = spec.document()["components"]["parameters"]["Cursor"]["schema"]["pattern"]
MOMENTS = st.datetimes(timezones=st.just(UTC))
IDS = st.from_regex(re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII), fullmatch=True)


@given(MOMENTS, IDS)
def test_what_was_encoded_is_decoded(moment: datetime, row_id: str) -> None:
    created_at = timestamps.to_text(moment)
    text = cursors.encode(created_at, row_id)
    assert re.fullmatch(PATTERN, text)
    assert cursors.decode(text) == (created_at, row_id)


@given(st.from_regex(re.compile(PATTERN, re.ASCII), fullmatch=True))
def test_every_text_of_the_documents_pattern_is_a_position(text: str) -> None:
    created_at, row_id = cursors.decode(text)
    # One text for one place: there is no second spelling of a cursor.
    assert cursors.encode(created_at, row_id) == text


@given(MOMENTS, MOMENTS)
def test_positions_sort_by_time(one: datetime, other: datetime) -> None:
    first, second = sorted(map(timestamps.to_text, (one, other)))
    assert cursors.encode(first, "ak_0") <= cursors.encode(second, "ak_0")


@given(st.text(max_size=90))
def test_every_other_text_is_rejected(text: str) -> None:
    # `fullmatch`, as a `$` of Python also matches before a line feed at the end.
    if re.fullmatch(PATTERN, text, re.ASCII) is None:
        with pytest.raises(BadRequest):
            cursors.decode(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "20261124120000000",
        "20261124120000000-",
        "2026112412000000-ak_0",
        "20261124120000000-ak 0",
        "20261124120000000-ak_0\n",
        f"20261124120000000-{'a' * 65}",
        "\N{FULLWIDTH DIGIT TWO}0261124120000000-ak_0",
        # Of 0.2.0.
        "WyIyMDI2LTExLTI0VDEyOjAwOjAwLjAwMFoiLCJha18wIl0",
    ],
)
def test_a_cursor_of_another_form_is_rejected(text: str) -> None:
    with pytest.raises(BadRequest) as caught:
        cursors.decode(text)
    assert [detail.location for detail in caught.value.details] == ["query/cursor"]


def test_a_cursor_of_the_audit_log_is_the_id_of_an_entry() -> None:
    parameters = spec.parameters(spec.document(), "listAuditLog")
    (pattern,) = (each["schema"]["pattern"] for each in parameters if each["name"] == "cursor")
    assert re.fullmatch(pattern, ids.new("al"))
