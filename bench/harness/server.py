"""A running server, and what driving it costs it."""

import http.client
import os
import socket
import statistics
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from harness import processes, wrk
from harness.disk import Disk
from harness.programs import Unusable
from harness.system import Data, System

_START_SECONDS = 60
_STOP_SECONDS = 60


@dataclass(frozen=True)
class Sample:
    """One run, or the medians of several."""

    requests: int
    per_second: float
    #: Of all processes of the server, for each request, in seconds.
    cpu: float
    p50: float
    p99: float
    p999: float
    #: Of the largest process of the server, when the run ended, in bytes.
    resident: int
    #: What part of one core wrk used, and of the server's CPU time its busiest process.
    wrk_share: float
    busiest: float


def medians(samples: Iterable[Sample]) -> Sample:
    """The median of each figure by itself; of the requests the sum."""
    all_of_them = list(samples)

    def median(name: str) -> float:
        values: list[float] = [getattr(sample, name) for sample in all_of_them]
        return statistics.median(values)

    return Sample(
        requests=sum(sample.requests for sample in all_of_them),
        per_second=median("per_second"),
        cpu=median("cpu"),
        p50=median("p50"),
        p99=median("p99"),
        p999=median("p999"),
        resident=round(median("resident")),
        wrk_share=median("wrk_share"),
        busiest=median("busiest"),
    )


def ratio(rounds: Iterable[object], others: Iterable[object], figure: str) -> float:
    """A figure as a multiple of that of others: the median of the ratios of each round."""
    found: list[float] = [
        getattr(mine, figure) / getattr(other, figure)
        for mine, other in zip(rounds, others, strict=True)
    ]
    return statistics.median(found)


@dataclass
class Server:
    """A system that serves `data`."""

    system: System
    data: Data
    port: int
    pid: int
    #: From the start of its process to its first answer.
    ready_seconds: float
    #: How many keys it said it had created, and how many more may have been under way.
    created: int = 0
    created_at_most: int = 0

    def load(
        self,
        work: str,
        *,
        connections: int = 16,
        seconds: int = 5,
        keys: Path | None = None,
        facts: Mapping[str, str] | None = None,
    ) -> wrk.Load:
        """A load for this server: with its own keys and facts, where no others are given."""
        return wrk.Load(
            system=self.system.name,
            speaks=self.system.speaks,
            work=work,
            keys=keys or self.data.keys,
            facts={**self.data.facts(), **(facts or {})},
            connections=connections,
            seconds=seconds,
        )

    def drive(self, load: wrk.Load) -> tuple[Sample, wrk.Outcome]:
        """Send the load, and read what it cost. Raises WrongAnswer."""
        before = processes.cpu_seconds(self.pid)
        outcome = wrk.run(f"http://127.0.0.1:{self.port}", load)
        after = processes.cpu_seconds(self.pid)
        used = [cpu - before.get(pid, 0) for pid, cpu in after.items()]
        if load.work.startswith("create"):
            self.created += outcome.requests
            # wrk stops with a request on each connection, which is none of its answers.
            self.created_at_most += outcome.requests + load.connections
        sample = Sample(
            requests=outcome.requests,
            per_second=outcome.requests / outcome.seconds,
            cpu=sum(used) / outcome.requests,
            p50=outcome.p50,
            p99=outcome.p99,
            p999=outcome.p999,
            resident=max(processes.resident_bytes(self.pid).values()),
            wrk_share=outcome.cpu_seconds / outcome.seconds,
            busiest=max(used) / (sum(used) or 1),
        )
        return sample, outcome


@contextmanager
def serving(
    system: System,
    data: Data,
    *,
    workers: int = 1,
    disk: Disk | None = None,
    under: Sequence[str | Path] = (),
) -> Iterator[Server]:
    """Run a server until the block ends, `under` another program where one is given.

    Raises Unusable when it does not start or stop.
    """
    port = _free_port()
    launch = system.launch(data, port, workers)
    # The settings of the environment are not part of the comparison.
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HOOKSTREAM_", "BETTER_AUTH_", "PIP_", "PYTHON", "DJANGO_"))
    }
    log = data.folder / "server.log"
    begun = time.monotonic()
    with log.open("w", encoding="utf-8") as sink:
        process = subprocess.Popen(
            (*under, *launch.command),
            stdout=sink,
            stderr=sink,
            cwd=launch.folder or data.folder,
            env={**kept, **launch.environment, **(disk.environment() if disk else {})},
        )
    try:
        _wait_until_ready(system, port, process, log)
        ready_seconds = time.monotonic() - begun
        if disk and not processes.maps(process.pid, disk.library):
            raise Unusable(f"{system.name} has not loaded {disk.library.name}")
        yield Server(system, data, port, process.pid, ready_seconds)
    finally:
        _stop(process, system)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait_until_ready(
    system: System, port: int, process: subprocess.Popen[bytes], log: Path
) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError, http.client.HTTPException):
            if _is_ready(system, port):
                return
        time.sleep(0.005)
    raise Unusable(f"{system.name} did not start:\n{log.read_text('utf-8')[-2000:]}")


def _is_ready(system: System, port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_START_SECONDS)
    try:
        if not system.ready_path:
            connection.connect()
            return True
        connection.request("GET", system.ready_path)
        return connection.getresponse().status == http.client.OK
    finally:
        connection.close()


def _stop(process: subprocess.Popen[bytes], system: System) -> None:
    if process.poll() is not None:
        raise Unusable(f"{system.name} ended by itself, with {process.returncode}")
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        for pid in processes.tree(process.pid):
            os.kill(pid, 9)
        process.wait()
        raise Unusable(f"{system.name} did not stop") from None
