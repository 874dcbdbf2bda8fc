"""The harnesses, and the seeds that each begins with.

A harness is a module here with one function, `check`, that takes any bytes and raises
where the code under test breaks a promise. Its seeds are a file of `corpus`, a line each:
a Python literal of bytes without `b` and quotes, so that a change of them can be read, and no
scanner takes one for a credential.
"""

import ast
import importlib
from collections.abc import Callable
from pathlib import Path

CORPUS = Path(__file__).with_name("corpus")

NAMES = (
    "bodies",
    "cookies",
    "cursors",
    "forwarded",
    "idempotency",
    "keys",
    "media_types",
    "networks",
    "parameters",
    "redirects",
    "request_heads",
    "routes",
    "scopes",
    "signatures",
)

#: All of them as one: the first byte chooses.
ALL = "all"

Check = Callable[[bytes], None]


def check_of(name: str) -> Check:
    """The function of the harness called `name`."""
    if name == ALL:
        return _chosen([check_of(each) for each in NAMES])
    check: Check = importlib.import_module(f"security.fuzzers.{name}").check
    return check


def seeds(name: str) -> list[bytes]:
    """What the harness called `name` begins with."""
    if name == ALL:
        return [bytes([n]) + seed for n, each in enumerate(NAMES) for seed in seeds(each)]
    lines = (CORPUS / f"{name}.txt").read_text(encoding="ascii").splitlines()
    return [ast.literal_eval(f'b"{line}"') for line in lines]


def written(seed: bytes) -> str:
    """The line of a corpus for `seed`: no two words of a key or token stand together in it."""
    plain = set(range(0x20, 0x7F)) - set(b'"\\_')
    return "".join(chr(byte) if byte in plain else f"\\x{byte:02x}" for byte in seed)


def _chosen(checks: list[Check]) -> Check:
    def check(data: bytes) -> None:
        if data:
            checks[data[0] % len(checks)](data[1:])

    return check
