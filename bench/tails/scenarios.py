"""Verifications at half load, alone and beside other work, and what the server did meanwhile."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime

from harness.clients import Requests, sending
from harness.hookstream import Hookstream, seed
from harness.key_requests import creations, revocations, verifications
from harness.places import BENCH, COMMAND, WORK
from harness.programs import Unusable
from harness.python_peers import Bare
from harness.server import Server, serving
from harness.system import Data, Launch, System

from tails.load import Answer, send

CONNECTIONS = 64
_KEYS = 1_000
#: Seconds of a run that finds out how much the server can do at most.
_CAPACITY_SECONDS = 3
#: Seconds of creations before their rows of the audit log are pruned.
_FILL_SECONDS = 20


@dataclass(frozen=True)
class Event:
    """Something that the server did besides answering, in seconds by `time.monotonic`."""

    kind: str
    begun: float
    ended: float


@dataclass(frozen=True)
class Finding:
    """What was found in one scenario."""

    title: str
    per_second: float
    begun: float
    answers: list[Answer]
    events: list[Event]


class _Watched(Hookstream):
    """The service, which keeps a record of what it does."""

    def launch(self, data: Data, port: int, workers: int = 1) -> Launch:
        """How to start it, as one process."""
        usual = super().launch(data, port, workers)
        command = (sys.executable, "-m", "tails.watched", data.folder / "events.jsonl")
        return Launch((*command, *usual.command[1:]), usual.environment, BENCH)


def run(seconds: int) -> Iterator[Finding]:
    """Verify for so many seconds in each scenario. Raises Unusable."""
    template = Data(WORK / "tails").empty()
    seed(template, _KEYS, known=_KEYS)
    verified, created = _capacities(template)
    half = verified / 2
    peer = Bare()
    peer.install()
    yield _measure("the bare application", peer, template, half, seconds)
    ours = _Watched()
    yield _measure("alone", ours, template, half, seconds)
    # Half of the time that it has for half load, each.
    rate = created / 4
    yield _measure(
        f"beside {rate:,.0f} creations a second", ours, template, half / 2, seconds,
        others=lambda server: creations(server.data, rate),
    )  # fmt: skip
    yield _measure(
        "beside 1 revocation a second", ours, template, half, seconds,
        others=lambda server: revocations(server, seconds),
    )  # fmt: skip
    yield _measure("while the audit log is pruned", ours, template, half, seconds, prunes=True)


def _capacities(template: Data) -> tuple[float, float]:
    """How many verifications and creations are answered in a second at most."""
    with serving(Hookstream(), template.copy(WORK / "run")) as server:
        server.drive(server.load("verify", seconds=_CAPACITY_SECONDS))
        verify, create = (
            server.drive(server.load(work, seconds=_CAPACITY_SECONDS))[0].per_second
            for work in ("verify", "create")
        )
    return verify, create


def _measure(
    title: str,
    system: System,
    template: Data,
    per_second: float,
    seconds: int,
    *,
    others: Callable[[Server], Requests] | None = None,
    prunes: bool = False,
) -> Finding:
    data = template.copy(WORK / "run")
    with serving(system, data) as server:
        if prunes:
            # Their rows are what is pruned.
            server.drive(server.load("create", seconds=_FILL_SECONDS))
        server.drive(server.load("verify", seconds=_CAPACITY_SECONDS))
        with sending(server.port, others(server)) if others else nullcontext() as clients:
            with _pruning(data) if prunes else nullcontext():
                begun = time.monotonic()
                answers = send(
                    server.port,
                    verifications(data),
                    connections=CONNECTIONS,
                    per_second=per_second,
                    seconds=seconds,
                )
                ended = time.monotonic()
            if clients is not None:
                clients.stop()
    events = _events(data, begun, ended)
    return Finding(title, per_second, begun, answers, events)


@contextmanager
def _pruning(data: Data) -> Iterator[None]:
    """Prune the whole of the audit log meanwhile. Raises Unusable where it fails."""
    before = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    database = f"sqlite:///{data.database}"
    command = (COMMAND, "audit", "prune", "--before", before, "--no-archive")
    with subprocess.Popen((*command, "--database", database)) as process:
        yield
    if process.returncode != 0:
        raise Unusable(f"audit prune failed with {process.returncode}")


def _events(data: Data, begun: float, ended: float) -> list[Event]:
    """What the server kept of the time between the two."""
    file = data.folder / "events.jsonl"
    if not file.exists():
        return []
    kept = [Event(*json.loads(line)) for line in file.read_text("utf-8").splitlines()]
    return [event for event in kept if begun <= event.begun <= ended]
