"""The format of API keys, and how they are stored.

A key is `hs_live_` or `hs_test_`, 56 random hexadecimal digits (224 bits) and 8
digits of CRC-32 over all that precedes them: Hookstream's documented
`<64 hex>`. The checksum is no protection; it rejects a typing error or a scanner's
false positive without a query.

The secret is random, so a fast hash of it protects it as well as a slow one
would: SHA-256 is stored and looked up, never the key.
"""

import hashlib
import re
import zlib
from dataclasses import field
from typing import Literal

from hookstream_keys.domain.records import record
from hookstream_keys.domain.sources import SYSTEM_RANDOM, Random

Mode = Literal["live", "test"]

#: How many characters of a key may be shown again: Hookstream's `key_prefix`.
PREFIX_LENGTH = 12

_RANDOM_BYTES = 28
#: The end of the random bytes of a sandbox's keys, which can be predicted, and of the published
#: examples. No other key has it, and a server that is not a sandbox finds none that does.
SANDBOX_MARK = bytes.fromhex("5a4db0c5")
_MARK = SANDBOX_MARK.hex()
#: No key has this digest.
_NO_KEY = bytes(32)
_FORM = re.compile(r"hs_(?:live|test)_[0-9a-f]{64}", re.ASCII)


@record
class NewKey:
    """A new key. Its `repr` does not show the secret."""

    secret: str = field(repr=False)
    prefix: str
    digest: bytes = field(repr=False)


def generate(mode: Mode, random: Random = SYSTEM_RANDOM) -> NewKey:
    """Generate a key for an environment of `mode`. A sandbox's has `SANDBOX_MARK`."""
    content = random.token_bytes(_RANDOM_BYTES)
    if random.is_sandbox:
        content = content[: -len(SANDBOX_MARK)] + SANDBOX_MARK
    else:
        while content.endswith(SANDBOX_MARK):  # One of four billion.
            content = random.token_bytes(_RANDOM_BYTES)
    head = f"hs_{mode}_{content.hex()}"
    secret = head + _checksum(head)
    return NewKey(secret=secret, prefix=secret[:PREFIX_LENGTH], digest=digest(secret))


def is_well_formed(text: str) -> bool:
    """Whether `text` has a key's format and checksum; not whether it was issued here."""
    return _FORM.fullmatch(text) is not None and _checksum(text[:-8]) == text[-8:]


def digest_of(text: str, random: Random = SYSTEM_RANDOM) -> bytes | None:
    """The digest by which a well-formed key is found; None for other text.

    Of a key with `SANDBOX_MARK` it is one that no key has, unless `random` is a sandbox's: a
    published key is unknown even to a server whose database has it.
    """
    if not is_well_formed(text):
        return None
    if text[-16:-8] == _MARK and not random.is_sandbox:
        return _NO_KEY
    return digest(text)


def digest(secret: str) -> bytes:
    """The SHA-256 by which a key is stored and found."""
    return hashlib.sha256(secret.encode()).digest()


def _checksum(head: str) -> str:
    return f"{zlib.crc32(head.encode()):08x}"
