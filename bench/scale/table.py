"""The figures as tables, and whether the targets are reached."""

from collections.abc import Iterable

from harness.targets import Target, number

from scale.databases import DEEP_PAGE
from scale.measure import Series

_MILLI, _MICRO = 1e3, 1e6
_DEEP = f"page {DEEP_PAGE:,}"


def markdown(title: str, varied: str, series: Series) -> list[str]:
    """A table of what was found, a row for each work and number, in lines of Markdown."""
    lines = [
        f"## {title}",
        "",
        f"| work | {varied} | requests/s | CPU µs | p50 ms | p99 ms | p99.9 ms | errors |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for work, samples in series.items():
        for value, sample in samples.items():
            times = (sample.p50, sample.p99, sample.p999)
            cells = [work, f"{value:,}", number(sample.per_second), number(sample.cpu * _MICRO)]
            cells += [number(time * _MILLI) for time in times]
            lines.append(f"| {' | '.join(cells)} | 0 |")
    return [*lines, ""]


def targets(keys: Series, wanted: dict[str, Target]) -> list[str]:
    """A table of the targets about the number of keys, in lines of Markdown."""
    lines = [
        "## Targets",
        "",
        "| median time of | at | is, of that at | found | wanted | reached |",
        "|---|---|---|---|---|---|",
    ]
    for figure, cells, value in _ratios(keys):
        target = wanted[figure]
        judged = (target.found(value), target.wanted(), target.reached(value))
        lines.append(f"| {' | '.join((*cells, *judged))} |")
    return [*lines, ""]


def _ratios(keys: Series) -> Iterable[tuple[str, tuple[str, str, str], float]]:
    """Of each target its figure, what it is about in words, and its value."""
    for work in ("verify", "create"):
        samples = keys[work]
        least, most = min(samples), max(samples)
        cells = (work, f"{most:,} keys", f"{least:,} keys")
        yield f"scale_{work}", cells, samples[most].p50 / samples[least].p50
    if _DEEP in keys:
        size = max(keys[_DEEP])
        value = keys[_DEEP][size].p50 / keys["first page"][size].p50
        yield "scale_list", (f"{_DEEP} of the list", f"{size:,} keys", "the first page"), value
