"""The table, and the plot."""

import statistics
from pathlib import Path

from harness import plots
from harness.targets import number

from memory.measure import Series

_MIB = 1024 * 1024
_MINUTE = 60
#: How many samples a figure is the median of.
_AROUND = 5


def table(series: Series) -> list[str]:
    """The memory of each process at some times, in lines of Markdown."""
    last = max(seconds for samples in series.values() for seconds, _ in samples)
    times = [last * part for part in (0, 1 / 60, 1 / 6, 1 / 2, 1)]
    names = " | ".join(f"after {number(seconds / _MINUTE)} min" for seconds in times)
    lines = [
        f"| process | {names} | second half |",
        f"|---|{'---|' * len(times)}---|",
    ]
    for name, samples in _named(series).items():
        found = [_near(samples, seconds) / _MIB for seconds in times]
        cells = [name, *(f"{each:.1f} MiB" for each in found)]
        cells.append(f"{(found[-1] / found[-2] - 1) * 100:+.1f} %")
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def draw(series: Series, file: Path) -> None:
    """Draw the memory of each process over time into an SVG file."""
    figure, axes = plots.subplots(9, 3.6)
    for name, samples in _named(series).items():
        minutes = [seconds / _MINUTE for seconds, _ in samples]
        axes.plot(minutes, [resident / _MIB for _, resident in samples], label=name)
    axes.set(title="Resident memory under load", xlabel="minutes", ylabel="MiB")
    axes.set_ylim(bottom=0, top=axes.get_ylim()[1] * 1.2)
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left", ncols=len(series))
    plots.save(figure, file)


def _named(series: Series) -> dict[str, list[tuple[float, int]]]:
    """The first process is the parent, which serves nothing; then comes Python's own for them."""
    parent, tracker, *workers = sorted(series)
    names = {parent: "parent", tracker: "Python's resource tracker"}
    names |= {pid: f"worker {n}" for n, pid in enumerate(workers, 1)}
    return {name: series[pid] for pid, name in names.items()}


def _near(samples: list[tuple[float, int]], seconds: float) -> float:
    nearest = sorted(samples, key=lambda sample: abs(sample[0] - seconds))[:_AROUND]
    return statistics.median(resident for _, resident in nearest)
