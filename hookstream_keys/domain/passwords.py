"""Passwords as better-auth stores them, so that users of one can sign in at the other.

`hexsalt:hexkey`, where the key is scrypt (N=16384, r=16, p=1, 64 bytes) over the
password in Unicode form NFKC, salted with the salt's hexadecimal text
(better-auth 1.7, `@better-auth/utils/password`).
"""

import hashlib
import hmac
import secrets
import unicodedata

from hookstream_keys.domain.alphanumeric import alphanumeric
from hookstream_keys.domain.sources import SYSTEM_RANDOM, Random

#: No password matches it; checking it takes as long as for a real hash.
DUMMY_HASH = f"{'0' * 32}:{'0' * 128}"


def generate(random: Random = SYSTEM_RANDOM) -> str:
    """A password of 24 letters and digits: 142 random bits."""
    return alphanumeric(24, random)


def hashed(password: str) -> str:
    """The hash of `password`, with a new salt."""
    salt = secrets.token_hex(16)
    return f"{salt}:{_scrypt(password, salt)}"


def matches(password: str, stored: str) -> bool:
    """Whether `stored` was made from `password`. Takes the same time either way."""
    salt, _, key = stored.partition(":")
    return hmac.compare_digest(_scrypt(password, salt).encode(), key.encode(errors="surrogatepass"))


def _scrypt(password: str, salt: str) -> str:
    return hashlib.scrypt(
        unicodedata.normalize("NFKC", password).encode(errors="surrogatepass"),
        salt=salt.encode(errors="surrogatepass"),
        n=16384,
        r=16,
        p=1,
        # 128 * N * r bytes are needed, slightly more than OpenSSL's default limit of 32 MiB.
        maxmem=128 * 16384 * 16 * 2,
        dklen=64,
    ).hex()
