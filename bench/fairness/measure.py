"""The light tenant's `authorize`, without load and beside each heavy request."""

import math
import os
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from harness import processes
from harness.client_process import Answers
from harness.clients import Requests, sending
from harness.hookstream import WithoutLimits
from harness.programs import Unusable
from harness.server import Server, serving
from harness.system import Data, Launch

from fairness.database import copy_for_a_round, database
from fairness.heavy import CANDIDATES
from fairness.options import Options
from fairness.probe import Latency, Probe
from fairness.tenant import Sizes

#: The core of the server and that of all clients, with `--pin`.
_SERVER_CORE, _CLIENT_CORE = 0, 1

#: The server has settled when it used at most this part of a core for so long: work that a
#: request has left to it must not count for the next one.
_SETTLED_SHARE, _SETTLED_SECONDS, _SETTLING_SECONDS = 0.1, 0.4, 300
_WARM_UP, _BEGINNING_SECONDS = 1.0, 0.1


class Fair(WithoutLimits):
    """The service, with what the heavy tenant needs."""

    def __init__(self, quota: int, *, is_pinned: bool) -> None:
        self._quota = quota
        self._prefix = ("taskset", "--cpu-list", str(_SERVER_CORE)) if is_pinned else ()

    def launch(self, data: Data, port: int, workers: int = 1) -> Launch:
        """How to start it."""
        usual = super().launch(data, port, workers)
        environment = {
            **usual.environment,
            "HOOKSTREAM_MAX_KEYS_PER_ENVIRONMENT": str(self._quota),
            # The database is kept, and its rows must be, too.
            "HOOKSTREAM_RETENTION_ENVIRONMENTS": "off",
            "HOOKSTREAM_RETENTION_ROTATIONS": "off",
        }
        return Launch((*self._prefix, *usual.command), environment)


@dataclass(frozen=True)
class Finding:
    """What a heavy request does: the medians of all rounds."""

    name: str
    unloaded: Latency
    loaded: Latency
    #: Of the heavy request itself, where it was not 503: its median time in seconds, and answers
    #: per second. Not a number where all were 503.
    own_p50: float
    own_rate: float
    #: All answers to it, and how many of them were 503.
    answers: int
    refused: int


@dataclass(frozen=True)
class _Run:
    unloaded: Latency
    loaded: Latency
    answers: Answers


def measure(options: Options) -> list[Finding]:
    """Run all rounds. Raises Unusable."""
    if options.is_pinned:
        os.sched_setaffinity(0, {_CLIENT_CORE})
    sizes = Sizes(options.keys)
    data, system = database(sizes), Fair(sizes.quota, is_pinned=options.is_pinned)
    runs: dict[str, list[_Run]] = defaultdict(list)
    for number in range(1, options.rounds + 1):
        with serving(system, copy_for_a_round(data)) as server:
            probe = _probe(server)
            probe.measure(_WARM_UP)
            for name in options.names:
                run = _run(server, probe, CANDIDATES[name], options.seconds)
                runs[name].append(run)
                _tell(number, name, run)
    return [_finding(name, of_one) for name, of_one in runs.items()]


def _probe(server: Server) -> Probe:
    key_id, secret = server.data.keys.read_text("utf-8").split()
    return Probe(server.port, key_id, secret)


def _run(server: Server, probe: Probe, heavy: Requests, seconds: int) -> _Run:
    _settle(server)
    unloaded = probe.measure(seconds)
    with sending(server.port, heavy) as clients:
        if not heavy.once:
            # Not the answers before all four have begun.
            time.sleep(_BEGINNING_SECONDS)
        loaded = probe.measure(seconds)
        answers = clients.stop()
    return _Run(unloaded, loaded, answers)


def _settle(server: Server) -> None:
    """Wait until the server is idle. Raises Unusable when it stays busy."""
    deadline = time.monotonic() + _SETTLING_SECONDS
    while time.monotonic() < deadline:
        before = sum(processes.cpu_seconds(server.pid).values())
        time.sleep(_SETTLED_SECONDS)
        used = sum(processes.cpu_seconds(server.pid).values()) - before
        if used <= _SETTLED_SHARE * _SETTLED_SECONDS:
            return
    raise Unusable(f"the server was still busy after {_SETTLING_SECONDS} seconds without load")


def _tell(number: int, name: str, run: _Run) -> None:
    statuses = ", ".join(f"{count} × {status}" for status, count in run.answers.statuses.items())
    print(
        f"round {number}: {name}: authorize p50 {run.unloaded.p50 * 1e3:.2f} → "
        f"{run.loaded.p50 * 1e3:.2f}, p99 {run.unloaded.p99 * 1e3:.2f} → "
        f"{run.loaded.p99 * 1e3:.2f} ms, {run.loaded.refused} refused; {statuses}",
        file=sys.stderr,
        flush=True,
    )


def _finding(name: str, runs: list[_Run]) -> Finding:
    statuses: Counter[str] = Counter()
    for run in runs:
        statuses.update(run.answers.statuses)
    served = [run.answers for run in runs if run.answers.latencies]
    return Finding(
        name=name,
        unloaded=_median(run.unloaded for run in runs),
        loaded=_median(run.loaded for run in runs),
        own_p50=_middle(statistics.median(answers.latencies) for answers in served),
        own_rate=_middle(len(answers.latencies) / answers.seconds for answers in served),
        answers=statuses.total(),
        refused=sum(run.answers.refused for run in runs),
    )


def _middle(values: Iterable[float]) -> float:
    several = list(values)
    return statistics.median(several) if several else math.nan


def _median(latencies: Iterable[Latency]) -> Latency:
    several = list(latencies)
    return Latency(
        statistics.median(latency.p50 for latency in several),
        statistics.median(latency.p99 for latency in several),
        sum(latency.refused for latency in several),
    )
