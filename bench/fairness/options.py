"""What can be chosen on the command line."""

import argparse
from dataclasses import dataclass

from fairness.heavy import CANDIDATES, CHOSEN

#: Fewer rounds or keys, or shorter runs, are a trial, which is not recorded.
ENOUGH_ROUNDS, ENOUGH_SECONDS, ENOUGH_KEYS = 3, 3, 1_000_000
#: Fewer do not fill what the requests name.
_LEAST_KEYS = 10_000


@dataclass(frozen=True)
class Options:
    """What is run, and for how long."""

    rounds: int
    seconds: int
    keys: int
    #: Names of `CANDIDATES`, in the order of the runs.
    names: tuple[str, ...]
    #: Whether the server has one core of its own, and all clients the other.
    is_pinned: bool

    def is_trial(self) -> bool:
        """Whether the figures are not worth recording."""
        return (
            self.rounds < ENOUGH_ROUNDS
            or self.seconds < ENOUGH_SECONDS
            or self.keys < ENOUGH_KEYS
            or self.names != CHOSEN
            or self.is_pinned
        )


def read(arguments: list[str]) -> Options:
    """The options of the command line; ends the program when they are not valid."""
    parser = argparse.ArgumentParser(prog="python -m fairness", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ENOUGH_ROUNDS, metavar="N")
    parser.add_argument("--seconds", type=int, default=ENOUGH_SECONDS, metavar="N", help="per run")
    parser.add_argument("--keys", type=int, default=ENOUGH_KEYS, metavar="N", help="default: 1 M")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--only", action="append", choices=list(CANDIDATES), metavar="NAME", help="repeatable"
    )
    which.add_argument("--all", action="store_true", help="all candidates, not the chosen twelve")
    parser.add_argument("--list", action="store_true", help="print the names of all candidates")
    parser.add_argument(
        "--pin", action="store_true", help="the server on one core, all clients on the other"
    )
    given = parser.parse_args(arguments)
    if given.list:
        parser.exit(message="".join(f"{name}: {each.title}\n" for name, each in CANDIDATES.items()))
    if given.keys < _LEAST_KEYS:
        parser.error(f"--keys: at least {_LEAST_KEYS}")
    if min(given.rounds, given.seconds) < 1:
        parser.error("--rounds and --seconds: at least 1")
    return Options(
        rounds=given.rounds,
        seconds=given.seconds,
        keys=given.keys,
        names=tuple(CANDIDATES) if given.all else tuple(given.only or CHOSEN),
        is_pinned=given.pin,
    )
