"""Campaigns of chains: their number, their seed, and their report.

`FUZZ_CHAINS` says how many, from a random seed; otherwise they are the same each time. `FUZZ_SEED`
repeats a campaign.
"""

import os
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings

_IS_CAMPAIGN = "FUZZ_CHAINS" in os.environ
_CHAINS = int(os.environ.get("FUZZ_CHAINS") or 100)
_SEED = int(os.environ.get("FUZZ_SEED") or (secrets.randbelow(2**32) if _IS_CAMPAIGN else 20261125))


def chains(test: Callable[..., None]) -> Callable[..., None]:
    """Run a property as often as is asked for, from the seed of the campaign."""
    run: Any = settings(
        max_examples=_CHAINS,
        deadline=None,
        database=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )(test)
    found: Callable[..., None] = seed(_SEED)(run)
    return found


class Tried:
    """What chains did: a test of refusals alone would prove little."""

    def __init__(self) -> None:
        self.chains = self.points = 0
        self.steps: Counter[str] = Counter()

    def count(self, done: Iterable[str], points: int) -> None:
        """Count a chain: each step as it is told, ending in its status, and what it reached."""
        self.chains += 1
        self.points += points
        self.steps.update(line[-3:] for line in done if line.startswith("Step("))

    def __str__(self) -> str:
        done = sum(count for status, count in self.steps.items() if status.startswith("20"))
        return (
            f"{self.chains} chains, {self.steps.total()} steps, {done} of them done, "
            f"{self.points} points reached"
        )


@contextmanager
def campaign(capsys: pytest.CaptureFixture[str]) -> Iterator[Tried]:
    """Tell what was tried in the block, also where it failed, with the seed and the seconds."""
    tried, begun = Tried(), time.monotonic()
    try:
        yield tried
    finally:
        with capsys.disabled():
            print(f"\n{tried}; seed {_SEED}, {time.monotonic() - begun:.0f} s")
