"""Load from wrk: a run of one kind of work, every answer checked by lua/load.lua."""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.places import LUA
from harness.programs import Unusable, require


class WrongAnswer(Unusable):
    """A system answered what it must not, or not at all: nothing it did counts."""


@dataclass(frozen=True)
class Load:
    """What is sent: `work` is one that lua/systems has under `speaks`; connections are kept."""

    #: Who it is for, for messages.
    system: str
    speaks: str
    work: str
    #: A file with an id and a secret a line: the keys that are gone through, again and again.
    keys: Path
    #: What the work sends besides: BENCH_CALLER and others.
    facts: Mapping[str, str]
    connections: int = 16
    #: wrk takes whole seconds.
    seconds: int = 5


@dataclass(frozen=True)
class Outcome:
    """What came back, all of it right."""

    requests: int
    seconds: float
    #: Of latencies, in seconds.
    p50: float
    p99: float
    p999: float
    #: Of wrk itself.
    cpu_seconds: float
    #: Some of the keys that were created, as `Load.keys` has them.
    created: tuple[str, ...]


def run(url: str, load: Load) -> Outcome:
    """Send the load and wait for its end. Raises WrongAnswer."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "result")
        cpu_seconds = _wrk(url, load, result)
        figures = dict(
            line.split(" ", 1) for line in result.read_text(encoding="utf-8").splitlines()
        )
    _check(load, figures)
    return Outcome(
        requests=int(figures["answered"]),
        seconds=float(figures["seconds"]),
        p50=float(figures["p50"]) / 1e6,
        p99=float(figures["p99"]) / 1e6,
        p999=float(figures["p999"]) / 1e6,
        cpu_seconds=cpu_seconds,
        created=tuple(figures["created"].rstrip("|").split("|")),
    )


def _wrk(url: str, load: Load, result: Path) -> float:
    """Run wrk; returns the CPU time that it used."""
    # One thread: on two cores a second would only take time from the server.
    command = (require("wrk"), "--threads", "1", "--connections", str(load.connections))
    options = ("--duration", f"{load.seconds}s", "--timeout", "30s", "--script", LUA / "load.lua")
    environment = {
        "BENCH_SYSTEM": load.speaks,
        "BENCH_WORK": load.work,
        "BENCH_KEYS": str(load.keys),
        "BENCH_RESULT": str(result),
        **load.facts,
    }
    with subprocess.Popen(
        (*command, *options, url),
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None  # noqa: S101 - for mypy: it was asked for
        printed = process.stdout.read()
        # Not `wait`, which does not tell what the process used.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0 or not result.exists():
        raise Unusable(f"wrk failed with {process.returncode}:\n{printed}")
    return usage.ru_utime + usage.ru_stime


def _check(load: Load, figures: Mapping[str, str]) -> None:
    bad = {
        name.removeprefix("error_"): int(number)
        for name, number in figures.items()
        if name == "wrong" or name.startswith("error_")
    }
    # wrk calls every status over 399 an error; such an answer is among the wrong ones already.
    if any(bad.values()):
        raise WrongAnswer(
            f"{load.system} {load.work}: {figures['answered']} right answers, {bad}; "
            f"the first wrong one: {figures.get('first_wrong', '-')}"
        )
    if int(figures["answered"]) == 0:
        raise Unusable(f"{load.system} {load.work}: no answer in {load.seconds} seconds")
