"""Secrets that are known, and every way in which one of them may be written somewhere."""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus


def spellings(secret: str) -> Iterator[bytes]:
    """The secret as it is, and as base64, hexadecimal, percent-encoded, escaped and backwards."""
    raw = secret.encode()
    yield raw
    yield raw[::-1]
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    yield "".join(f"%{byte:02X}" for byte in raw).encode()
    yield "".join(f"\\x{byte:02x}" for byte in raw).encode()
    yield quote(secret, safe="").encode()
    yield quote_plus(secret).encode()
    yield quote(quote(secret, safe=""), safe="").encode()
    yield json.dumps(secret)[1:-1].encode()
    yield secret.encode("utf-16-le")
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        # Wherever in a longer text it stands: what depends on its neighbours is left out.
        for shift in range(3):
            encoded = encode(b"\0" * shift + raw)
            yield encoded[4 if shift else 0 : -4]


@dataclass
class Canary:
    """Secrets, each under a name that a failing test may print."""

    _spellings: dict[str, set[bytes]] = field(default_factory=dict, repr=False)

    def add(self, name: str, secret: str) -> str:
        """Watch for a secret from now on."""
        assert len(secret) >= 16, f"{name} would be found by chance"
        self._spellings[f"{name} {len(self)}"] = set(spellings(secret))
        return secret

    def found_in(self, text: bytes, *, but: tuple[str, ...] = ()) -> list[str]:
        """The names of those in `text`, except those whose names begin with one of `but`."""
        return [
            name
            for name, spelt in self._spellings.items()
            if not name.startswith(but) and any(spelling in text for spelling in spelt)
        ]

    def __len__(self) -> int:
        return len(self._spellings)


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """All files of a folder and what is in them."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            # A table with room for more is zeros for the most part.
            yield path.name, re.sub(rb"\0{64,}", b"\0" * 64, path.read_bytes())


def processes(pid: int) -> list[int]:
    """A process and all that it has started."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += processes(int(child))
    return found
