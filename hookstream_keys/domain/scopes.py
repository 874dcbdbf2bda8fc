"""What a key may do: `*`, or a set of `resource:action` with `resource:*` for all actions.

The grammar is the pattern of `scopes` in `openapi.yaml`, which has validated all input.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Self

from hookstream_keys.domain.records import record

ALL = "*"

_SEPARATOR = re.compile(r"[ ,]+")


@lru_cache(maxsize=4096)
def covers(granted: str, wanted: str) -> bool:
    """Whether holding the scope `granted` means holding `wanted`.

    Either may be a wildcard: `api-keys:*` covers `api-keys:create` and itself, and
    is covered by `*` alone.
    """
    if granted in (ALL, wanted):
        return True
    resource, _, action = granted.partition(":")
    return action == ALL and wanted.partition(":")[0] == resource


@record
class Scopes:
    """A set of scopes, in the order in which they were first named."""

    names: tuple[str, ...]

    @classmethod
    @lru_cache(maxsize=1024)
    def parse(cls, text: str) -> Self:
        """Read a list separated by spaces or commas; a name that is repeated counts once."""
        return cls(tuple(dict.fromkeys(_SEPARATOR.split(text.strip(" ,")))))

    def __str__(self) -> str:
        return " ".join(self.names)

    def allow(self, wanted: str) -> bool:
        """Whether these scopes cover the one scope `wanted`."""
        for granted in self.names:  # noqa: SIM110 - a generator costs as much again as its work
            if covers(granted, wanted):
                return True
        return False

    def common(self, others: Self) -> Self:
        """What both cover: nothing, when there is no scope of either in the other."""
        mine = [name for name in self.names if others.allow(name)]
        theirs = [name for name in others.names if self.allow(name)]
        return type(self)(tuple(dict.fromkeys(mine + theirs)))

    def beyond(self, others: Iterable[str]) -> list[str]:
        """Those of `others` that these scopes do not cover: empty when `others` is a subset."""
        return [wanted for wanted in others if not self.allow(wanted)]
