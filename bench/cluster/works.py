"""Requests per second, latency and CPU of a file, of one node, of two, and of better-auth."""

import itertools
import statistics
import sys
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum

from harness import processes
from harness.hookstream import Hookstream, WithoutLimits
from harness.places import WORK
from harness.server import Server, ratio, serving
from harness.system import Data, System

from cluster.postgresql import Cluster, name_of
from cluster.systems import BetterAuthOnPostgresql, OnPostgresql

CONNECTIONS = (16, 64)
WORKS = ("verify", "create")
#: Longer than a slow start of Node's.
_WARM_UP_SECONDS = 5
#: How many keys better-auth has: it makes each by itself. Its verifications take no longer with
#: more, which would help it only where they did.
BETTER_AUTH_KEYS = 2_000


class Setting(StrEnum):
    """What the load is sent to, as the tables have it."""

    FILE = "SQLite"
    NODE = "PostgreSQL"
    TWO_NODES = "PostgreSQL, two nodes"
    FILE_WITH_LIMITS = "SQLite, limits on"
    NODE_WITH_LIMITS = "PostgreSQL, limits on"
    BETTER_AUTH = BetterAuthOnPostgresql.label


@dataclass(frozen=True)
class Figures:
    """What one kind of work cost: of all servers together, and of the database's."""

    per_second: float
    #: In seconds for each request.
    server_cpu: float
    database_cpu: float
    p50: float
    p99: float

    @property
    def cpu(self) -> float:
        """In seconds for each request, of servers and database."""
        return self.server_cpu + self.database_cpu


@dataclass(frozen=True)
class Found:
    """The figures of each round, by the setting, the work and the number of connections."""

    rounds: dict[tuple[Setting, str, int], list[Figures]]

    def median(self, setting: Setting, work: str, connections: int, figure: str) -> float:
        """The median of a figure."""
        found: list[float] = [
            getattr(each, figure) for each in self.rounds[setting, work, connections]
        ]
        return statistics.median(found)

    def ratio(
        self, of: Setting, to: Setting, work: str, connections: int, figure: str = "per_second"
    ) -> float:
        """The median of the ratios of a figure in each round."""
        mine, others = (self.rounds[each, work, connections] for each in (of, to))
        return ratio(mine, others, figure)


def works(rounds: int, seconds: int, file: Data, url: str, database: Cluster) -> Found:
    """Each work in every setting, in turns of seconds, round after round.

    `file` and the database at `url` have the same keys, and are copied. All servers run from the
    first turn to the last, idle but for one setting's: a machine's speed can change by more than
    what is looked for in the time that it takes to start one.
    """
    found: dict[tuple[Setting, str, int], list[Figures]] = defaultdict(list)
    with ExitStack() as stack:
        served = {each: _serve(each, file, url, database, stack) for each in Setting}
        for server in itertools.chain(*served.values()):
            server.drive(server.load("verify", seconds=_WARM_UP_SECONDS))
        for number in range(rounds):
            # Every other round backwards, so that none always follows the same one.
            order = list(served.items())[:: -1 if number % 2 else 1]
            for work, connections in itertools.product(WORKS, CONNECTIONS):
                for setting, servers in order:
                    figures = _drive(servers, work, connections, seconds, database)
                    found[setting, work, connections].append(figures)
            print(f"round {number + 1} done", file=sys.stderr, flush=True)
    return Found(found)


def _serve(
    setting: Setting, file: Data, url: str, database: Cluster, stack: ExitStack
) -> list[Server]:
    """Start what a setting consists of, until the stack is closed."""

    def serve(system: System, data: Data) -> Server:
        return stack.enter_context(serving(system, data))

    def copied(node: int = 1) -> Data:
        return file.copy(WORK / f"run-{setting.name}-{node}")

    def new(template: str = "template1") -> str:
        own = database.new(template)
        stack.callback(database.drop, own)
        return own

    match setting:
        case Setting.FILE:
            return [serve(WithoutLimits(), copied())]
        case Setting.FILE_WITH_LIMITS:
            return [serve(Hookstream(), copied())]
        case Setting.NODE:
            return [serve(OnPostgresql(new(name_of(url))), copied())]
        case Setting.NODE_WITH_LIMITS:
            return [serve(OnPostgresql(new(name_of(url)), has_limits=True), copied())]
        case Setting.TWO_NODES:
            system = OnPostgresql(new(name_of(url)))
            return [serve(system, copied(node)) for node in (1, 2)]
        case Setting.BETTER_AUTH:
            peer = BetterAuthOnPostgresql(new())
            data = Data(WORK / f"run-{setting.name}").empty()
            peer.seed(data, BETTER_AUTH_KEYS)
            return [serve(peer, data)]


def _drive(
    servers: Sequence[Server], work: str, connections: int, seconds: int, database: Cluster
) -> Figures:
    before = sum(processes.cpu_seconds(database.pid).values())
    with ThreadPoolExecutor(len(servers)) as threads:
        samples = list(
            threads.map(
                lambda server: server.drive(
                    server.load(work, connections=connections // len(servers), seconds=seconds)
                )[0],
                servers,
            )
        )
    used = sum(processes.cpu_seconds(database.pid).values()) - before
    requests = sum(sample.requests for sample in samples)
    return Figures(
        per_second=sum(sample.per_second for sample in samples),
        server_cpu=sum(sample.cpu * sample.requests for sample in samples) / requests,
        database_cpu=max(used, 0.0) / requests,
        p50=statistics.mean(sample.p50 for sample in samples),
        p99=max(sample.p99 for sample in samples),
    )
