"""The table, and the plot of each scenario."""

import math
from collections.abc import Iterable
from pathlib import Path

from harness import plots
from harness.targets import number
from matplotlib.axes import Axes

from tails.scenarios import Event, Finding

_MILLI = 1e3
#: What no answer should take at half load, in milliseconds.
LIMIT_MS = 20
_KINDS = {"garbage collection": "C1", "transaction": "C2", "periodic tasks": "C3"}
#: Of each so many seconds the plot has the slowest answer.
_BIN = 0.05


def table(findings: Iterable[Finding]) -> list[str]:
    """What was found, a row for each scenario, in lines of Markdown."""
    lines = [
        f"| verify | requests/s | p50 ms | p99 ms | p99.9 ms | slowest ms | over {LIMIT_MS} ms |"
        " of it late by the client, ms | longest collection, transaction, tasks, ms |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for finding in findings:
        times = sorted(answer.latency * _MILLI for answer in finding.answers)
        slowest = max(finding.answers, key=lambda answer: answer.latency)
        cells = [finding.title, number(finding.per_second)]
        cells += [number(_part(times, part)) for part in (0.5, 0.99, 0.999, 1)]
        over = sum(time > LIMIT_MS for time in times)
        cells += [f"{over} of {len(times):,}", number(slowest.late * _MILLI)]
        cells.append(", ".join(number(_longest(finding.events, kind)) for kind in _KINDS))
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def draw(findings: list[Finding], file: Path) -> None:
    """Draw the slowest answers over time, and what the server did, into an SVG file."""
    height = 1 + 2 * len(findings)
    figure, every = plots.subplots(11, height, len(findings), sharex=True, sharey=True)
    for axes, finding in zip(every, findings, strict=True):
        _panel(axes, finding)
    every[-1].set_xlabel("seconds")
    every[0].legend(loc="upper right", ncols=len(_KINDS) + 2, frameon=False)
    plots.save(figure, file)


def _panel(axes: Axes, finding: Finding) -> None:
    slowest: dict[int, float] = {}
    for answer in finding.answers:
        place = int((answer.due - finding.begun) / _BIN)
        slowest[place] = max(slowest.get(place, 0), answer.latency * _MILLI)
    places = sorted(slowest)
    axes.plot(
        [place * _BIN for place in places], [slowest[place] for place in places],
        linewidth=0.6, label=f"slowest answer of {_BIN * _MILLI:.0f} ms",
    )  # fmt: skip
    for kind, color in _KINDS.items():
        events = [event for event in finding.events if event.kind == kind]
        axes.scatter(
            [event.begun - finding.begun for event in events],
            [(event.ended - event.begun) * _MILLI for event in events],
            s=8, color=color, label=kind, zorder=2,
        )  # fmt: skip
    axes.axhline(LIMIT_MS, color="0.6", linewidth=0.8, linestyle="--", label=f"{LIMIT_MS} ms")
    axes.set(title=f"verify, {finding.title}", ylabel="ms", yscale="log")
    axes.grid(alpha=0.3)


def _part(ordered: list[float], part: float) -> float:
    """The value that so great a part of them does not exceed."""
    return ordered[max(0, math.ceil(len(ordered) * part) - 1)]


def _longest(events: Iterable[Event], kind: str) -> float:
    lengths = (event.ended - event.begun for event in events if event.kind == kind)
    return max(lengths, default=0.0) * _MILLI
