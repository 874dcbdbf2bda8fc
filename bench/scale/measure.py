"""What an answer costs: against the number of keys, of connections, and of workers."""

import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import TypeVar

from harness.hookstream import Hookstream
from harness.places import WORK
from harness.server import Sample, Server, medians, serving

from scale.databases import cursor_of_deep_page, database, to_write_into
from scale.options import Options

CONNECTIONS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
WORKERS = (1, 2, 4)

#: What is asked for, and the medians of all rounds, by the number that was varied.
Series = dict[str, dict[int, Sample]]

#: Connections wherever they are not what is varied, seconds of load before the first run, and the
#: keys wherever they are not.
_USUAL, _WARM_UP, _FEW = 16, 1, 1_000

Number = TypeVar("Number", bound=int)


def keys(options: Options) -> Series:
    """Verify, create and list, at each number of keys."""
    databases = {size: database(size) for size in options.sizes}
    cursors = {size: cursor_of_deep_page(data) for size, data in databases.items()}

    def turn(size: int) -> dict[str, Sample]:
        data = to_write_into(databases[size], size)
        with serving(Hookstream(), data) as server:
            _warm_up(server)
            found = {
                "verify": _drive(server, options, "verify"),
                "first page": _drive(server, options, "list"),
            }
            cursor = cursors[size]
            if cursor is not None:
                deep = {"BENCH_CURSOR": cursor}
                found["page 10,000"] = _drive(server, options, "list", facts=deep)
            # Last, so that nothing is in flight when something else is measured.
            found["create"] = _drive(server, options, "create")
        return found

    return _rounds(options, options.sizes, turn)


def connections(options: Options) -> Series:
    """Verify and create, over more and more connections."""
    data = database(_FEW)

    def turn(number: int) -> dict[str, Sample]:
        with serving(Hookstream(), data.copy(WORK / "run")) as server:
            _warm_up(server)
            return {
                work: _drive(server, options, work, connections=number)
                for work in ("verify", "create")
            }

    return _rounds(options, CONNECTIONS, turn)


def workers(options: Options) -> Series:
    """Verify, by more and more processes."""
    data = database(_FEW)

    def turn(number: int) -> dict[str, Sample]:
        with serving(Hookstream(), data.copy(WORK / "run"), workers=number) as server:
            _warm_up(server)
            return {"verify": _drive(server, options, "verify")}

    return _rounds(options, WORKERS, turn)


def _rounds(
    options: Options, numbers: Iterable[Number], turn: Callable[[Number], dict[str, Sample]]
) -> Series:
    """Do `turn` with each number in turn, round after round."""
    samples: dict[str, dict[int, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    for number_of_round in range(options.rounds):
        for number in numbers:
            for work, sample in turn(number).items():
                samples[work][number].append(sample)
            print(f"round {number_of_round + 1}: {number:,} done", file=sys.stderr, flush=True)
    return {
        work: {number: medians(several) for number, several in found.items()}
        for work, found in samples.items()
    }


def _warm_up(server: Server) -> None:
    server.drive(server.load("verify", seconds=_WARM_UP))


def _drive(
    server: Server,
    options: Options,
    work: str,
    *,
    connections: int = _USUAL,
    facts: dict[str, str] | None = None,
) -> Sample:
    load = server.load(work, connections=connections, seconds=options.seconds, facts=facts)
    return server.drive(load)[0]
