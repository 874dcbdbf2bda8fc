"""What can be chosen on the command line."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from harness.better_auth import BetterAuth
from harness.hookstream import Hookstream, WithoutLogAndLimits
from harness.places import BENCH
from harness.python_peers import (
    Bare,
    BareWithOrderedIds,
    DjangoRestFramework,
    FastApi,
    FastApiOnLoop,
)
from harness.system import System

SYSTEMS: tuple[System, ...] = (
    Hookstream(),
    WithoutLogAndLimits(),
    Bare(),
    BareWithOrderedIds(),
    FastApi(),
    FastApiOnLoop(),
    DjangoRestFramework(),
    BetterAuth(),
)
PARTS = (
    "works", "beside", "slow-disk", "workers", "asgi-servers", "footprint", "instructions",
)  # fmt: skip

#: Fewer rounds than this are a trial, and not written down.
ENOUGH_ROUNDS = 5


@dataclass(frozen=True)
class Options:
    """What is run, and for how long."""

    rounds: int
    seconds: int
    connections: int
    keys: int
    systems: tuple[System, ...]
    parts: tuple[str, ...]
    output: Path

    def is_trial(self) -> bool:
        """Whether the figures are not worth keeping: too few rounds, or not everything was run."""
        return (
            self.rounds < ENOUGH_ROUNDS or self.systems != SYSTEMS or set(self.parts) != set(PARTS)
        )


def read(arguments: list[str]) -> Options:
    """What the command line asks for; ends the program when it makes no sense."""
    parser = argparse.ArgumentParser(prog="python -m compare", description=__doc__)
    names = [system.name for system in SYSTEMS]
    parser.add_argument("--rounds", type=int, default=ENOUGH_ROUNDS, metavar="N")
    parser.add_argument("--seconds", type=int, default=5, metavar="N", help="of each run")
    parser.add_argument("--connections", type=int, default=16, metavar="N")
    parser.add_argument("--keys", type=int, default=1000, metavar="N", help="that are verified")
    parser.add_argument(
        "--system", action="append", choices=names, help="only ours and this one (repeat)"
    )
    parser.add_argument("--part", action="append", choices=PARTS, help="only this one (repeat)")
    parser.add_argument("--output", type=Path, default=BENCH / "RESULTS.md", metavar="FILE")
    given = parser.parse_args(arguments)
    wanted = [names[0], *(given.system or names)]
    return Options(
        rounds=given.rounds,
        seconds=given.seconds,
        connections=given.connections,
        keys=given.keys,
        systems=tuple(system for system in SYSTEMS if system.name in wanted),
        parts=tuple(given.part or PARTS),
        output=given.output,
    )
