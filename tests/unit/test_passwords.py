import hashlib
import re
import unicodedata

import pytest

from hookstream_keys.domain import passwords

LIGATURE = "of\N{LATIN SMALL LIGATURE FI}ce"
COMPOSED = "caf\N{LATIN SMALL LETTER E WITH ACUTE}"
DECOMPOSED = "cafe\N{COMBINING ACUTE ACCENT}"


def by_hand(password: bytes, salt: str) -> str:
    key = hashlib.scrypt(password, salt=salt.encode(), n=2**14, r=16, p=1, dklen=64, maxmem=2**27)
    return f"{salt}:{key.hex()}"


def test_the_password_that_was_hashed_matches() -> None:
    stored = passwords.hashed("correct horse")
    assert passwords.matches("correct horse", stored)
    assert not passwords.matches("correct horsf", stored)
    assert not passwords.matches("", stored)


def test_a_password_hash_is_a_hexadecimal_salt_and_key() -> None:
    assert re.fullmatch(r"[0-9a-f]{32}:[0-9a-f]{128}", passwords.hashed("x"))


def test_every_hash_has_a_salt_of_its_own() -> None:
    assert passwords.hashed("x") != passwords.hashed("x")


def test_the_key_is_scrypt_with_the_salt_s_text() -> None:
    stored = passwords.hashed("correct horse")
    salt, _, _ = stored.partition(":")
    assert stored == by_hand(b"correct horse", salt)


def test_a_password_is_normalized_before_it_is_hashed() -> None:
    stored = by_hand(b"office", "00" * 16)
    assert passwords.matches(LIGATURE, stored)
    assert passwords.matches("office", stored)


@pytest.mark.parametrize(
    ("chosen", "typed"), [(LIGATURE, "office"), (COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)]
)
def test_passwords_that_look_the_same_are_the_same(chosen: str, typed: str) -> None:
    assert unicodedata.normalize("NFKC", chosen) == unicodedata.normalize("NFKC", typed)
    assert passwords.matches(typed, passwords.hashed(chosen))


def test_an_accent_makes_another_password() -> None:
    assert not passwords.matches("cafe", passwords.hashed(COMPOSED))


@pytest.mark.parametrize(
    "stored",
    [
        "",
        ":",
        "nocolon",
        "salt:",
        ":00",
        "00:zz",
        "a:b:c",
        "00:\N{LATIN SMALL LETTER E WITH ACUTE}",
        "\N{LATIN SMALL LETTER E WITH ACUTE}:00",
        "$argon2id$v=19$m=65536$00",
    ],
)
def test_a_malformed_password_hash_matches_nothing(stored: str) -> None:
    assert passwords.matches("", stored) is False


def test_generated_passwords_are_24_letters_and_digits() -> None:
    made = {passwords.generate() for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch("[A-Za-z0-9]{24}", password) for password in made)
