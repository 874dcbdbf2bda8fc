"""The HMACs of a backup's seal."""

import hashlib
import hmac
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookstream_keys.store.sqlite import seal_macs

KEY = bytes(range(32))

values = (
    st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
    | st.binary(max_size=6)
)
tables = st.lists(st.tuples(values, values), max_size=4)


def sealed(rows: list[tuple[Any, ...]], key: bytes = KEY) -> seal_macs.Seal:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("create table t (a, b)")
        connection.executemany("insert into t values (?, ?)", rows)
        return seal_macs.of_parts(connection, key)


@given(tables, tables)
def test_other_rows_have_another_hmac_and_equal_ones_the_same(
    one: list[tuple[Any, ...]], other: list[tuple[Any, ...]]
) -> None:
    # As SQLite has them: 1 and 1.0 and True are equal in Python and are not the same here.
    same = [[(type(value), value) for value in row] for row in one] == [
        [(type(value), value) for value in row] for row in other
    ]
    if repr(one) == repr(other) or not same:
        assert (sealed(one)["table t"] == sealed(other)["table t"]) is same


def test_what_stands_in_one_column_is_not_what_stands_in_two() -> None:
    assert sealed([("ab", "c")]) != sealed([("a", "bc")])
    assert sealed([("1", None)]) != sealed([(1, None)])
    assert sealed([("a", "b"), ("c", "d")]) != sealed([("c", "d"), ("a", "b")])
    assert sealed([]) != sealed([], key=bytes(32))


def test_the_names_of_columns_and_the_schema_are_sealed() -> None:
    found = []
    for statements in (
        ["create table t (a, b)"],
        ["create table t (a, c)"],
        ["create table t (a, b)", "create index i on t (a)"],
        ["create table t (a, b)", "pragma user_version = 1"],
        ["create table t (a, b)", "pragma application_id = 1"],
        ["create table t (a, b)", "create view v as select 1"],
    ):
        with closing(sqlite3.connect(":memory:")) as connection:
            for statement in statements:
                connection.execute(statement)
            found.append(seal_macs.of_parts(connection, KEY))
    assert len({str(each) for each in found}) == len(found)
    assert found[0]["table t"] != found[1]["table t"]
    assert {str(each["table t"]) for each in found[2:]} == {str(found[0]["table t"])}


def test_rows_are_sealed_in_the_order_of_their_key_however_they_are_stored() -> None:
    found = []
    for rows in ([("a", "b"), ("c", "d")], [("c", "d"), ("a", "b")]):
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.execute("create table t (a text primary key, b)")
            connection.executemany("insert into t values (?, ?)", rows)
            found.append(seal_macs.of_parts(connection, KEY))
    assert found[0] == found[1]
    assert found[0]["table t"][0] == 2


@pytest.fixture(params=[5, 32, 33, 1024])
def chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seal_macs, "_CHUNK", request.param)


@pytest.mark.usefixtures("chunk")
@pytest.mark.parametrize("at", [0, 1, 31, 32, 60, 68])
def test_the_file_is_sealed_with_the_hmac_taken_as_zeros(tmp_path: Path, at: int) -> None:
    path, mark = tmp_path / "file", b"m" * 32
    path.write_bytes(b"x" * at + mark + b"y" * (100 - 32 - at))
    assert seal_macs.offset_of(path, mark) == at
    own = hmac.digest(KEY, b"hookstream-keys backup 1 file", hashlib.sha256)
    zeros = b"x" * at + bytes(32) + b"y" * (100 - 32 - at)
    expected = hmac.digest(own, b"%d;" % at + zeros, hashlib.sha256)
    assert seal_macs.of_file(path, KEY, at) == expected


@pytest.mark.usefixtures("chunk")
def test_duplicate_or_missing_bytes_have_no_offset(tmp_path: Path) -> None:
    path, mark = tmp_path / "file", bytes(range(32))
    path.write_bytes(b"x" * 40 + mark + b"x" + mark)
    assert seal_macs.offset_of(path, mark) is None
    assert seal_macs.offset_of(path, bytes(32)) is None
    assert seal_macs.offset_of(path, b"") is None
    path.write_bytes(b"")
    assert seal_macs.offset_of(path, mark) is None
