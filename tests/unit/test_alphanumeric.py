import string

import pytest

from hookstream_keys.domain.alphanumeric import alphanumeric
from hookstream_keys.domain.sources import SYSTEM_RANDOM, Random


@pytest.mark.parametrize("length", [0, 1, 24, 32, 1000])
def test_so_many_letters_and_digits(length: int) -> None:
    text = alphanumeric(length, SYSTEM_RANDOM)
    assert len(text) == length
    assert set(text) <= set(string.ascii_letters + string.digits)


def test_every_character_is_as_likely_as_another() -> None:
    every_byte = [bytes(range(256)), b""]
    text = alphanumeric(248, Random(lambda _: every_byte.pop(0)))
    assert {text.count(each) for each in set(text)} == {4}
    assert len(set(text)) == 62


def test_bytes_that_are_too_large_are_drawn_again() -> None:
    drawn = [b"\xff" * 3, b"\xf8\x00\x01"]
    assert alphanumeric(2, Random(lambda _: drawn.pop(0))) == "ab"
