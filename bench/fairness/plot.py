"""The figures as a picture."""

from pathlib import Path

from harness import plots
from harness.targets import Target

from fairness import table
from fairness.heavy import CANDIDATES
from fairness.measure import Finding

_MILLI = 1e3


def draw(findings: list[Finding], targets: dict[str, Target], file: Path) -> None:
    """Draw p50 and p99 of `authorize` beside each request, and their bounds, into an SVG file."""
    height = 1.4 + 0.32 * len(findings)
    figure, axes = plots.subplots(10, height)
    places = range(len(findings))
    for place, finding in zip(places, findings, strict=True):
        times = [finding.loaded.p50 * _MILLI, finding.loaded.p99 * _MILLI]
        axes.plot(times, [place, place], color="0.75", zorder=1)
    for name, marker, color, found, bound in (
        ("p50", "o", "C0", [each.loaded.p50 for each in findings], table.bound_of_p50),
        ("p99", "D", "C1", [each.loaded.p99 for each in findings], table.bound_of_p99),
    ):
        bounds = [bound(each, targets) * _MILLI for each in findings]
        times = [time * _MILLI for time in found]
        axes.scatter(times, places, marker=marker, color=color, label=name, zorder=2)
        axes.scatter(bounds, places, marker="|", s=200, color=color, label=f"{name} at most")
    axes.set(title="Another tenant's authorize beside each request", xlabel="ms", xscale="log")
    axes.set_yticks(places, [CANDIDATES[each.name].title for each in findings])
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=4, frameon=False)
    plots.save(figure, file)
