"""What can be chosen on the command line."""

import argparse
from dataclasses import dataclass

#: Fewer rounds or keys than this are a trial, and not written down.
ENOUGH_ROUNDS = 3
ALL_SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
PARTS = ("keys", "connections", "workers")


@dataclass(frozen=True)
class Options:
    """What is run, and for how long."""

    rounds: int
    seconds: int
    sizes: tuple[int, ...]
    parts: tuple[str, ...]

    def is_trial(self) -> bool:
        """Whether the figures are not worth keeping."""
        return (
            self.rounds < ENOUGH_ROUNDS or self.sizes != ALL_SIZES or set(self.parts) != set(PARTS)
        )


def read(arguments: list[str]) -> Options:
    """What the command line asks for; ends the program when it makes no sense."""
    parser = argparse.ArgumentParser(prog="python -m scale", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ENOUGH_ROUNDS, metavar="N")
    parser.add_argument("--seconds", type=int, default=4, metavar="N", help="of each run")
    parser.add_argument("--largest", type=int, default=ALL_SIZES[-1], metavar="KEYS")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this one (repeat)")
    given = parser.parse_args(arguments)
    return Options(
        rounds=given.rounds,
        seconds=given.seconds,
        sizes=tuple(size for size in ALL_SIZES if size <= given.largest),
        parts=tuple(given.part or PARTS),
    )
