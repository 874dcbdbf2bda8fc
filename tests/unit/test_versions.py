import re

import pytest

from hookstream_keys.domain import versions

SHOWN = {"id": "ak_1", "name": "Ada's ключ", "metadata": {"a": "1", "b": "2"}, "uses": 7}
VERSION = versions.version_of(SHOWN, without={"uses"})


def test_a_version_is_a_strong_entity_tag() -> None:
    assert re.fullmatch(r'"[0-9a-f]{32}"', VERSION)
    assert versions.is_if_match(VERSION)


def test_a_version_changes_with_all_that_counts() -> None:
    # The order of members is none of it.
    same = {"uses": 8, "metadata": {"b": "2", "a": "1"}, "name": "Ada's ключ", "id": "ak_1"}
    assert versions.version_of(same, without={"uses"}) == VERSION
    for change in ({"id": "ak_2"}, {"name": None}, {"metadata": {"a": "1"}}, {"more": False}):
        assert versions.version_of({**SHOWN, **change}, without={"uses"}) != VERSION


@pytest.mark.parametrize(
    "if_match",
    ["*", VERSION, f'"a", {VERSION}', f'{VERSION},"a"', f'"a"\t,\t{VERSION}', f'W/"a", {VERSION}'],
)
def test_if_match_names_a_version(if_match: str) -> None:
    assert versions.is_if_match(if_match)
    assert versions.matches(if_match, VERSION)


@pytest.mark.parametrize(
    "if_match",
    # The comparison is strong: RFC 9110, section 8.8.3.2.
    [f"W/{VERSION}", '"a"', '""', f'"{VERSION[2:]}', '"*"', f'"a", W/{VERSION}'],
)
def test_if_match_names_other_versions(if_match: str) -> None:
    assert versions.is_if_match(if_match)
    assert not versions.matches(if_match, VERSION)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        VERSION[1:-1],
        VERSION[:-1],
        f"{VERSION},",
        "*,*",
        f"* {VERSION}",
        f"w/{VERSION}",
        f"{VERSION} {VERSION}",
        '"a b"',
        '"a\x7f"',
        '"\xe9"',
        f"{VERSION}\n",
        ", " * 10_000,
    ],
)
def test_other_text_is_no_if_match(text: str) -> None:
    assert not versions.is_if_match(text)
