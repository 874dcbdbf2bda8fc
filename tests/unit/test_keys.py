import hashlib
import re
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookstream_keys.contract import spec
from hookstream_keys.domain import keys
from hookstream_keys.domain.keys import Mode
from hookstream_keys.domain.sources import Random

MODES: tuple[Mode, ...] = ("live", "test")
# In two parts, so that no scanner takes it for a leak.
HEAD = "hs_" + "live_" + 56 * "0"


def with_checksum(head: str) -> str:
    return head + f"{zlib.crc32(head.encode()):08x}"


KEY = with_checksum(HEAD)


def property_of_created_key(name: str) -> str:
    schema = spec.load()["components"]["schemas"]["CreatedApiKey"]
    pattern: str = schema["properties"][name]["pattern"]
    return pattern


@pytest.mark.parametrize("mode", MODES)
def test_a_key_has_the_documented_form(mode: Mode) -> None:
    secret = keys.generate(mode).secret
    assert re.fullmatch(rf"hs_{mode}_[0-9a-f]{{64}}", secret)
    assert re.match(property_of_created_key("key"), secret)


@pytest.mark.parametrize("mode", MODES)
def test_the_prefix_is_the_first_12_characters(mode: Mode) -> None:
    new = keys.generate(mode)
    assert new.prefix == new.secret[:12]
    assert re.match(property_of_created_key("key_prefix"), new.prefix)


@pytest.mark.parametrize("mode", MODES)
def test_the_last_8_digits_are_the_crc_32_of_the_rest(mode: Mode) -> None:
    secret = keys.generate(mode).secret
    assert int(secret[-8:], 16) == zlib.crc32(secret[:-8].encode("ascii"))


def test_the_digest_is_the_sha_256_of_the_key() -> None:
    new = keys.generate("live")
    assert new.digest == hashlib.sha256(new.secret.encode("ascii")).digest()
    assert keys.digest(new.secret) == new.digest


@pytest.mark.parametrize("mode", MODES)
def test_a_generated_key_is_well_formed(mode: Mode) -> None:
    assert keys.is_well_formed(keys.generate(mode).secret)


def test_a_checksum_with_leading_zeros_keeps_them() -> None:
    heads = ("hs_" + "test_" + f"{number:056x}" for number in range(10_000))
    head = next(head for head in heads if zlib.crc32(head.encode()) < 0x100000)
    assert keys.is_well_formed(with_checksum(head))


@pytest.mark.parametrize("position", range(len(KEY)))
def test_every_changed_digit_is_noticed(position: int) -> None:
    for replacement in "0123456789abcdef":
        changed = KEY[:position] + replacement + KEY[position + 1 :]
        assert keys.is_well_formed(changed) is (changed == KEY)


@given(position=st.integers(0, len(KEY) - 1), replacement=st.characters())
def test_every_changed_character_is_noticed(position: int, replacement: str) -> None:
    changed = KEY[:position] + replacement + KEY[position + 1 :]
    assert keys.is_well_formed(changed) is (changed == KEY)


@given(position=st.integers(0, len(KEY) - 2))
def test_two_neighbours_that_changed_places_are_noticed(position: int) -> None:
    key = keys.generate("test").secret
    changed = key[:position] + key[position + 1] + key[position] + key[position + 2 :]
    assert keys.is_well_formed(changed) is (changed == key)


@pytest.mark.parametrize(
    "text",
    [
        "",
        KEY[:-1],
        KEY + "0",
        KEY + "\n",
        " " + KEY,
        KEY.upper(),
        KEY.replace("0", "\N{FULLWIDTH DIGIT ZERO}"),
        KEY.replace("live", "prod"),
        "hs_" + "live_" + 64 * "0",
    ],
)
def test_malformed_text_is_not_well_formed(text: str) -> None:
    assert not keys.is_well_formed(text)


@pytest.mark.parametrize(
    "head",
    [
        "",
        HEAD.upper(),
        HEAD[:-1],
        HEAD + "0",
        HEAD[:-1] + "A",
        HEAD[:-1] + "g",
        HEAD.replace("live", "prod"),
        HEAD.replace("hs_", "xhs_"),
        HEAD.replace("hs_", "\nhs_"),
    ],
)
def test_a_valid_checksum_alone_makes_no_key(head: str) -> None:
    assert not keys.is_well_formed(with_checksum(head))


@given(st.text())
def test_arbitrary_text_is_not_well_formed(text: str) -> None:
    assert not keys.is_well_formed(text)


def test_10_000_keys_are_distinct() -> None:
    assert len({keys.generate("live").secret for _ in range(10_000)}) == 10_000


def test_the_random_digits_take_every_value_everywhere() -> None:
    bodies = [keys.generate("live").secret[8:-8] for _ in range(500)]
    assert all(set(column) == set("0123456789abcdef") for column in zip(*bodies, strict=True))


def test_repr_does_not_show_the_secret() -> None:
    new = keys.generate("live")
    assert new.secret[12:] not in repr(new)
    assert repr(new.digest) not in repr(new)
    assert new.prefix in repr(new)


def test_a_sandboxs_key_is_marked_and_well_formed() -> None:
    random = Random(lambda size: bytes(range(size)), is_sandbox=True)
    new = keys.generate("test", random)
    assert new.secret[-16:-8] == "5a4db0c5"
    assert new.secret.startswith("hs_test_00010203")
    assert keys.is_well_formed(new.secret)
    assert keys.generate("test", random) == new


def test_only_a_sandboxs_key_is_marked() -> None:
    drawn = [bytes(24) + keys.SANDBOX_MARK, b"\x01" * 28]
    new = keys.generate("live", Random(lambda _: drawn.pop(0)))
    assert new.secret.startswith("hs_live_" + "01" * 28)


def test_only_a_sandbox_finds_a_marked_key() -> None:
    secret = with_checksum("hs_" + "test_" + 48 * "0" + "5a4db0c5")
    assert keys.digest_of(secret) == bytes(32)
    sandbox = Random(bytes, is_sandbox=True)
    assert keys.digest_of(secret, sandbox) == keys.digest(secret) != bytes(32)
