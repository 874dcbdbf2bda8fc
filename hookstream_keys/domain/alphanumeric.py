"""Random text of letters and digits."""

import string

from hookstream_keys.domain.sources import Random

_ALPHABET = string.ascii_letters + string.digits
#: The bytes below it divide evenly by the alphabet: every character is as likely as another.
_EVEN = 256 - 256 % len(_ALPHABET)


def alphanumeric(length: int, random: Random) -> str:
    """So many random letters and digits, of ASCII: 5.95 bits each."""
    found = ""
    while len(found) < length:
        # Of the bytes 3 % are too large; a few more than needed mostly spare another turn.
        found += "".join(
            _ALPHABET[byte % len(_ALPHABET)]
            for byte in random.token_bytes(length + 8)
            if byte < _EVEN
        )
    return found[:length]
