"""Requests per second, latency and CPU of a file, of one node and of two."""

import http.client
import itertools
import json
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from harness import processes
from harness.better_auth import BetterAuth
from harness.hookstream import WithoutLimits, command, seed
from harness.places import WORK
from harness.programs import run
from harness.server import Server, serving
from harness.system import Data, Launch

from cluster.postgresql import Cluster, name_of

CONNECTIONS = (16, 64)
WORKS = ("verify", "create")
#: Of no worth: what it signs is thrown away with the database.
_SECRET = "for-the-benchmark-only-0123456789abcdef"  # noqa: S105
_WARM_UP_SECONDS = 5
#: How many keys better-auth has: it makes each by itself. Its verifications take no longer with
#: more, which would help it only where they did.
BETTER_AUTH_KEYS = 2_000
#: How many keys are revoked for a figure.
_REVOCATIONS = 200


class OnPostgresql(WithoutLimits):
    """The service on a PostgreSQL database, to which a file was moved."""

    def __init__(self, url: str, *, has_standby: bool = False) -> None:
        self._url = url
        self._has_standby = has_standby

    def launch(self, data: Data, port: int, workers: int = 1) -> Launch:
        """How to start it, as one process."""
        usual = super().launch(data, port, workers)
        environment = {
            **usual.environment,
            "HOOKSTREAM_DATABASE": self._url,
            "BETTER_AUTH_SECRET": _SECRET,
            "HOOKSTREAM_SINGLE_DATABASE": "off" if self._has_standby else "on",
        }
        return Launch(usual.command, environment)


class BetterAuthOnPostgresql(BetterAuth):
    """better-auth and its plugin on a PostgreSQL database."""

    label = "better-auth on PostgreSQL"
    packages = (*BetterAuth.packages, "pg")

    def __init__(self, url: str = "") -> None:
        self._url = url

    def database(self, _: Data) -> str:
        """The URL of its database."""
        return self._url


@dataclass(frozen=True)
class Figures:
    """What one kind of work cost: of all servers together, and of the database's."""

    per_second: float
    #: In seconds for each request.
    server_cpu: float
    database_cpu: float
    p50: float
    p99: float


#: By the name of the setting, the work and the number of connections.
Found = dict[tuple[str, str, int], Figures]


def template(size: int) -> Data:
    """A file with so many keys, kept from run to run."""
    data = Data(WORK / "cluster" / str(size))
    if not (data.folder / "facts.json").exists():
        seed(data.empty(), size, known=min(size, 20_000))
    return data


def works(rounds: int, seconds: int, data: Data, url: str, database: Cluster) -> Found:
    """Each work on a file, on one node and on two, round after round; the medians.

    `data` is the file, and `url` the database with the same keys, which are copied.
    """
    samples: dict[tuple[str, str, int], list[Figures]] = defaultdict(list)
    for number in range(rounds):
        for name in ("SQLite", "PostgreSQL", "two nodes", BetterAuthOnPostgresql.label):
            for key, figures in _turn(name, data, database, url, seconds).items():
                samples[key].append(figures)
        print(f"round {number + 1} done", file=sys.stderr, flush=True)
    return {key: _medians(several) for key, several in samples.items()}


def revocations(
    data: Data, url: str, database: Cluster, *, has_standby: bool, seconds: int
) -> list[float]:
    """How long revocations take while other connections verify, in seconds, sorted."""
    url = database.new(name_of(url))
    with serving(OnPostgresql(url, has_standby=has_standby), data.copy(WORK / "run")) as server:
        load = server.load("verify", connections=16, seconds=seconds)
        with ThreadPoolExecutor(1) as thread:
            driving = thread.submit(server.drive, load)
            found = _revoke(server, data.facts())
            driving.result()
    return sorted(found)


def moved(template: Data, database: Cluster) -> str:
    """The URL of a new database with the rows of a copy of the file."""
    url = database.new()
    copy = template.copy(WORK / "run")
    command(copy, "migrate-store", f"sqlite:///{copy.database}", url)
    return url


def _turn(
    name: str, file: Data, database: Cluster, url: str, seconds: int
) -> dict[tuple[str, str, int], Figures]:
    found = {}
    with ExitStack() as stack:
        if name == "SQLite":
            data = file.copy(WORK / "run")
            servers = [stack.enter_context(serving(WithoutLimits(), data))]
        elif name == BetterAuthOnPostgresql.label:
            data = Data(WORK / "run").empty()
            own = database.new()
            stack.callback(database.drop, own)
            peer = BetterAuthOnPostgresql(own)
            peer.seed(data, BETTER_AUTH_KEYS)
            servers = [stack.enter_context(serving(peer, data))]
        else:
            own = database.new(name_of(url))
            stack.callback(database.drop, own)
            system = OnPostgresql(own)
            folders = [file.copy(WORK / f"run-{node}") for node in range(2)]
            count = 2 if name == "two nodes" else 1
            servers = [stack.enter_context(serving(system, data)) for data in folders[:count]]
        for server in servers:
            # Longer than a slow start of Node's.
            server.drive(server.load("verify", seconds=_WARM_UP_SECONDS))
        for work, connections in itertools.product(WORKS, CONNECTIONS):
            found[name, work, connections] = _drive(servers, work, connections, seconds, database)
    return found


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


def _revoke(server: Server, facts: dict[str, str]) -> list[float]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    headers = {"X-API-Key": facts["BENCH_CALLER"], "Content-Type": "application/json"}
    body = {"name": "r", "org_id": facts["BENCH_ORG"], "env_id": facts["BENCH_ENV"]}
    found = []
    for _ in range(_REVOCATIONS):
        connection.request("POST", "/v1/auth/api-keys", json.dumps(body), headers)
        made = json.loads(connection.getresponse().read())
        begun = time.perf_counter()
        connection.request("DELETE", f"/v1/auth/api-keys/{made['id']}", headers=headers)
        answer = connection.getresponse()
        answer.read()
        found.append(time.perf_counter() - begun)
        if answer.status != http.client.NO_CONTENT:
            raise RuntimeError(answer.status)
    connection.close()
    return found


def _medians(several: Sequence[Figures]) -> Figures:
    def median(name: str) -> float:
        values: list[float] = [getattr(each, name) for each in several]
        return statistics.median(values)

    first = several[0]
    return replace(first, **{name: median(name) for name in first.__dataclass_fields__})


def versions(database: Cluster) -> dict[str, str]:
    """What is measured."""
    driver = "from importlib.metadata import version; print(version('asyncpg'))"
    return {
        "PostgreSQL": database.version(),
        "asyncpg": run(Path(sys.executable), "-c", driver).strip(),
    }
