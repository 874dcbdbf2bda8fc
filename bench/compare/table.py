"""The one table: a row for each kind of work at each system, and for each target."""

from collections.abc import Iterable
from dataclasses import dataclass

from harness.server import Sample
from harness.targets import Target, number

COLUMNS = (
    "work", "system", "requests/s", "found", "wanted", "reached", "CPU µs", "p50 ms", "p99 ms",
    "p99.9 ms", "fsyncs", "errors", "instructions",
)  # fmt: skip
_MICRO, _MILLI = 1e6, 1e3


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the table. What it has not is left empty."""

    work: str
    system: str
    sample: Sample | None = None
    #: Whether CPU time can be told to be of these requests.
    has_cpu: bool = True
    #: How often the server waited for the disk, for each request.
    fsyncs: float | None = None
    #: Of the processor, in user mode, for each request.
    instructions: float | None = None
    #: What the row is compared by, under the name that targets.toml has for it.
    figure: str = ""
    value: float | None = None


def markdown(rows: Iterable[Row], targets: dict[str, Target]) -> list[str]:
    """The table as lines of Markdown."""
    lines = [_line(COLUMNS), _line("---" for _ in COLUMNS)]
    return lines + [_line(_cells(row, targets.get(row.figure))) for row in rows]


def _cells(row: Row, target: Target | None) -> list[str]:
    found = wanted = reached = ""
    if row.value is not None:
        found = target.found(row.value) if target else f"{number(row.value)}×"
    if target is not None and row.value is not None:
        wanted, reached = target.wanted(), target.reached(row.value)
    cells = [row.work, row.system, "", found, wanted, reached]
    sample = row.sample
    counted = number(row.instructions) if row.instructions is not None else ""
    if sample is None:
        return [*cells, *[""] * (len(COLUMNS) - len(cells) - 1), counted]
    cells[2] = number(sample.per_second)
    times = [number(time * _MILLI) for time in (sample.p50, sample.p99, sample.p999)]
    cpu = number(sample.cpu * _MICRO) if row.has_cpu else ""
    fsyncs = f"{row.fsyncs:.2f}" if row.fsyncs is not None else ""
    # A run with a wrong answer is none: it ends the benchmark.
    return [*cells, cpu, *times, fsyncs, "0", counted]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
