"""The works of every system, in rounds.

A B C D, A B C D: so that whatever else the machine does meanwhile happens to all of them. The
systems have each work one after another, seconds apart.
"""

import statistics
import sys
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field

from harness.places import WORK
from harness.server import Sample, Server, medians, ratio, serving
from harness.system import Data, System

from compare import checks
from compare.options import Options

WORKS = ("verify", "authorize", "create", "create_by_session")
#: Seconds of load before the first run: caches fill, code is compiled.
WARM_UP = 2


@dataclass
class Findings:
    """What was found of each work of each system, by their names."""

    samples: dict[tuple[str, str], list[Sample]] = field(default_factory=lambda: defaultdict(list))
    fsyncs: dict[tuple[str, str], float] = field(default_factory=dict)
    ready: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def median(self, work: str, system: System) -> Sample:
        """The medians of all rounds."""
        return medians(self.samples[work, system.name])

    def ratio(self, work: str, system: System, other_work: str, other: System) -> float:
        """Requests per second as a multiple of another system's: the median of each round's."""
        of, to = self.samples[work, system.name], self.samples[other_work, other.name]
        return ratio(of, to, "per_second")

    def ready_seconds(self, system: System) -> float:
        """How long it takes to start, in the median."""
        return statistics.median(self.ready[system.name])


def prepare(options: Options) -> dict[str, Data]:
    """Install every system and make its database. Raises Unusable."""
    templates: dict[str, Data] = {}
    for system in options.systems:
        say(f"{system.name}: installing, and making {options.keys} keys")
        system.install()
        folder = WORK / "data" / system.name
        data = Data(folder).empty()
        system.seed(data, options.keys)
        checks.remember_rows(system, data)
        templates[system.name] = data
    return templates


def run(options: Options, templates: dict[str, Data]) -> Findings:
    """Check each system, then drive all in turns, round after round. Raises Unusable."""
    found = Findings()
    for system in options.systems:
        say(f"{system.name}: checking")
        fsyncs = checks.check(system, templates[system.name].copy(WORK / "run"))
        found.fsyncs |= {(work, system.name): number for work, number in fsyncs.items()}
    for turn in range(options.rounds):
        _round(options, templates, found)
        say(f"round {turn + 1} of {options.rounds} done")
    return found


def _round(options: Options, templates: dict[str, Data], found: Findings) -> None:
    """Drive all systems in turns, each on a copy of its database; all run, idle but for one."""
    with ExitStack() as stack:
        servers: list[Server] = []
        for system in options.systems:
            data = templates[system.name].copy(WORK / f"run-{system.name}")
            server = stack.enter_context(serving(system, data))
            found.ready[system.name].append(server.ready_seconds)
            servers.append(server)
        for server in servers:
            server.drive(server.load("verify", connections=options.connections, seconds=WARM_UP))
        for work in WORKS:
            for server in servers:
                if work in server.system.works:
                    load = server.load(
                        work, connections=options.connections, seconds=options.seconds
                    )
                    found.samples[work, server.system.name].append(server.drive(load)[0])
        for server in servers:
            checks.count(server)


def say(text: str) -> None:
    """Print progress."""
    print(text, file=sys.stderr, flush=True)
