from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookstream_keys.domain import cookies

NAME = "better-auth.session_token"
SECURE = "__Secure-better-auth.session_token"


@pytest.mark.parametrize(
    "header",
    [
        f"{NAME}=token",
        f"{NAME}=token;",
        f"{NAME}=token; ",
        f";;{NAME}=token",
        f"  {NAME}=token  ",
        f"theme=dark;{NAME}=token;lang=en",
        f'{{"x":1}}; {NAME}=token',
        f'a={{"x":1}}; {NAME}=token',
        f"foo; {NAME}=token",
        f"a[b]=1; {NAME}=token",
        f"x=\xff; {NAME}=token",
        f"\xff=x; {NAME}=token",
        f"expires=1; {NAME}=token",
        f"path=/; secure; {NAME}=token",
        f"$Version=1; {NAME}=token",
        f"=nameless; {NAME}=token",
        f'open="quote; {NAME}=token',
        f'{NAME}="token"',
        f"{NAME}=token; {NAME}=token",
        f"x{NAME}=other; {NAME}=token; {NAME}x=other",
        f"{NAME.upper()}=other; {NAME}=token",
        f"{NAME}=%74oken",
    ],
)
def test_the_cookie_is_found_whatever_stands_beside_it(header: str) -> None:
    assert cookies.read(header, [NAME]) == ["token"]


@pytest.mark.parametrize("header", ["", ";", NAME, f"x{NAME}=1", f"{NAME}x=1", f"a={NAME}=1"])
def test_what_is_not_there_is_nothing(header: str) -> None:
    assert cookies.read(header, [NAME]) == []


def test_an_empty_cookie_is_empty() -> None:
    assert cookies.read(f"{NAME}=", [NAME]) == [""]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("a=b==", "a=b=="),
        ("a+b/c=", "a+b/c="),
        ("a%2Bb%2Fc%3D", "a+b/c="),
        ("a%2bb", "a+b"),
        ("%C3%A9", "\N{LATIN SMALL LETTER E WITH ACUTE}"),
        ("%zz%", "%zz%"),
        ("%FF", "\N{REPLACEMENT CHARACTER}"),
        ("%22a%22", '"a"'),
    ],
)
def test_a_value_is_percent_decoded_once(written: str, value: str) -> None:
    assert cookies.read(f"{NAME}={written}", [NAME]) == [value]


def test_the_first_name_wins_wherever_it_stands() -> None:
    header = f"{NAME}=plain; {SECURE}=secure"
    assert cookies.read(header, (SECURE, NAME)) == ["secure"]
    assert cookies.read(header, (NAME, SECURE)) == ["plain"]


def test_all_of_one_name_are_found_in_their_order_and_each_once() -> None:
    header = f"{NAME}=b; {SECURE}=x; {NAME}=a; {NAME}=b"
    assert cookies.read(header, [NAME]) == ["b", "a"]


def test_the_second_name_is_used_when_the_first_is_missing() -> None:
    assert cookies.read(f"{NAME}=plain", (SECURE, NAME)) == ["plain"]


@given(header=st.text(), name=st.text())
def test_no_text_makes_it_fail(header: str, name: str) -> None:
    assert not cookies.read(header, [name, NAME]) or "=" in header


# A header's bytes come as latin-1; a semicolon ends a cookie by definition.
neighbours = st.text(st.characters(max_codepoint=255, exclude_characters=";"))


@given(before=neighbours, after=neighbours, value=st.text(st.characters(codec="utf-8")))
def test_no_neighbour_hides_a_cookie(before: str, after: str, value: str) -> None:
    if before.strip().startswith(f"{NAME}="):
        return
    header = f"{before}; {NAME}={quote(value, safe='')}; {after}"
    assert value in cookies.read(header, [NAME])


@pytest.mark.parametrize("space", ["\xa0", "\x85", "\x0b", "\x1c", "\n"])
def test_a_name_that_begins_with_other_space_is_another_name(space: str) -> None:
    # A page of a neighbouring site may set it, where the browser keeps `__Secure-` to ours.
    assert cookies.read(f"{space}{SECURE}=forged; {SECURE}=own", [SECURE]) == ["own"]


def test_a_header_with_more_cookies_than_browsers_send_has_none() -> None:
    few = "a=b; " * (cookies.MAX_COOKIES - 1)
    assert cookies.read(f"{few}name=value", ("name",)) == ["value"]
    assert cookies.read(f"{few}a=b; name=value", ("name",)) == []
