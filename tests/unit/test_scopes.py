import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookstream_keys.contract import spec
from hookstream_keys.domain.scopes import Scopes, covers

SCHEMA = spec.load()["components"]["schemas"]["CreateApiKeyRequest"]["properties"]["scopes"]
GRAMMAR = re.compile(SCHEMA["pattern"])


def texts(alphabet: str | None = None) -> st.SearchStrategy[str]:
    if alphabet is None:
        written = st.from_regex(GRAMMAR, fullmatch=True)
    else:
        written = st.from_regex(GRAMMAR, fullmatch=True, alphabet=alphabet)
    return written.filter(lambda text: len(text) <= SCHEMA["maxLength"])


# Of few letters, so that two sets often have to do with one another.
related = texts("ab:*, ").map(Scopes.parse)


def names_in(text: str) -> list[str]:
    return [name for name in re.split("[ ,]", text) if name]


def least(scopes: Scopes) -> set[str]:
    """Without the names that others of them make superfluous."""
    return {
        name
        for name in scopes.names
        if not any(covers(other, name) for other in scopes.names if other != name)
    }


@given(texts())
def test_parsing_finds_exactly_the_names_that_were_written(text: str) -> None:
    assert list(Scopes.parse(text).names) == list(dict.fromkeys(names_in(text)))


@given(texts())
def test_what_is_printed_parses_to_the_same(text: str) -> None:
    scopes = Scopes.parse(text)
    assert Scopes.parse(str(scopes)) == scopes


@given(texts())
def test_what_is_printed_is_in_the_grammar_again(text: str) -> None:
    printed = str(Scopes.parse(text))
    assert GRAMMAR.fullmatch(printed)
    assert len(printed) <= len(text)


@pytest.mark.parametrize("text", ["a:b c:d", "a:b,c:d", "a:b, c:d", "a:b  c:d", "a:b c:d,a:b"])
def test_spaces_and_commas_separate(text: str) -> None:
    assert GRAMMAR.fullmatch(text)
    assert str(Scopes.parse(text)) == "a:b c:d"


@given(related)
def test_scopes_cover_themselves(scopes: Scopes) -> None:
    assert scopes.beyond(scopes.names) == []


@given(related, related, related)
def test_covering_is_transitive(one: Scopes, two: Scopes, three: Scopes) -> None:
    names = [*one.names, *two.names, *three.names, "*"]
    for broad, middle, narrow in itertools.product(names, repeat=3):
        if covers(broad, middle) and covers(middle, narrow):
            assert covers(broad, narrow)


@given(related, related, related)
def test_a_subset_of_a_subset_is_a_subset(one: Scopes, two: Scopes, three: Scopes) -> None:
    middle = Scopes(tuple(name for name in two.names if one.allow(name)))
    narrow = [name for name in three.names if middle.allow(name)]
    assert one.beyond(middle.names) == []
    assert one.beyond(narrow) == []


@given(related, related)
def test_scopes_that_cover_each_other_differ_in_superfluous_names_only(
    one: Scopes, two: Scopes
) -> None:
    each_other = not one.beyond(two.names) and not two.beyond(one.names)
    assert each_other is (least(one) == least(two))


@given(related, related)
def test_beyond_is_what_is_not_allowed_in_the_order_asked(one: Scopes, two: Scopes) -> None:
    assert one.beyond(two.names) == [name for name in two.names if not one.allow(name)]


@given(texts())
def test_the_star_covers_everything(text: str) -> None:
    assert Scopes(("*",)).beyond(Scopes.parse(text).names) == []


@given(texts())
def test_nothing_but_the_star_covers_the_star(text: str) -> None:
    scopes = Scopes.parse(text)
    assert scopes.allow("*") is ("*" in scopes.names)


segments = st.from_regex("[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)


@given(resource=segments, action=segments)
def test_a_resource_s_star_covers_each_of_its_actions(resource: str, action: str) -> None:
    assert Scopes((f"{resource}:*",)).allow(f"{resource}:{action}")
    assert not Scopes((f"{resource}:{action}",)).allow(f"{resource}:*")


@given(resource=segments, other=segments, action=segments)
def test_a_resource_s_star_covers_nothing_of_another(
    resource: str, other: str, action: str
) -> None:
    granted = Scopes((f"{resource}:*",))
    assert granted.allow(f"{other}:{action}") is (resource == other)
    assert granted.allow(f"{other}:*") is (resource == other)


@given(resource=segments, more=segments, action=segments)
def test_a_name_that_begins_another_does_not_cover_it(
    resource: str, more: str, action: str
) -> None:
    assert not Scopes((f"{resource}:*",)).allow(f"{resource}{more}:{action}")
    assert not Scopes((f"{resource}{more}:*",)).allow(f"{resource}:{action}")
    assert not Scopes((f"{resource}:{action}",)).allow(f"{resource}:{action}{more}")


@pytest.mark.parametrize(
    ("granted", "wanted", "expected"),
    [
        ("*", "api-keys:create", True),
        ("*", "*", True),
        ("api-keys:*", "api-keys:create", True),
        ("api-keys:*", "api-keys:*", True),
        ("api-keys:create", "api-keys:create", True),
        ("api-keys:create", "api-keys:delete", False),
        ("api-keys:create", "api-keys:*", False),
        ("api-keys:*", "*", False),
        ("api-keys:*", "api-keys.old:create", False),
        ("api:*", "api-keys:create", False),
        ("API-KEYS:*", "api-keys:create", False),
    ],
)
def test_covers(granted: str, wanted: str, expected: bool) -> None:  # noqa: FBT001
    assert covers(granted, wanted) is expected


@given(related, related, texts("ab:*, ").map(names_in))
def test_what_two_have_in_common_is_what_both_allow(
    one: Scopes, other: Scopes, wanted: list[str]
) -> None:
    both = one.common(other)
    for name in wanted:
        assert both.allow(name) == (one.allow(name) and other.allow(name))
