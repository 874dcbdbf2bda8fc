"""The figures as a table, and whether the targets are reached."""

from collections.abc import Iterable

from harness.targets import Target, number

from fairness.heavy import CANDIDATES
from fairness.measure import Finding
from fairness.probe import Latency

_MILLI = 1e3


def markdown(findings: Iterable[Finding], targets: dict[str, Target]) -> list[str]:
    """A row for each heavy request, in lines of Markdown."""
    lines = [
        "| heavy request | its p50 ms | its answers/s | answers | of them 503 | authorize p50 ms "
        "| p99 ms | beside it p50 ms | p99 ms | p50 | p99 | refused | reached |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for each in findings:
        cells = (
            CANDIDATES[each.name].title,
            number(each.own_p50 * _MILLI),
            number(each.own_rate),
            f"{each.answers:,}",
            f"{each.refused:,}",
            *_times(each.unloaded),
            *_times(each.loaded),
            number(each.loaded.p50 / each.unloaded.p50) + "×",
            number(each.loaded.p99 / each.unloaded.p99) + "×",
            f"{each.unloaded.refused + each.loaded.refused:,}",
            reached(each, targets),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def _times(latency: Latency) -> tuple[str, ...]:
    return tuple(number(time * _MILLI) for time in (latency.p50, latency.p99))


def reached(finding: Finding, targets: dict[str, Target]) -> str:
    """Whether both targets are reached, or which one is not."""
    missed = []
    if finding.loaded.p50 > bound_of_p50(finding, targets):
        missed.append("p50")
    if finding.loaded.p99 > bound_of_p99(finding, targets):
        missed.append("p99")
    if finding.unloaded.refused or finding.loaded.refused:
        missed.append("refused")
    return f"**no** ({', '.join(missed)})" if missed else "yes"


def bound_of_p50(finding: Finding, targets: dict[str, Target]) -> float:
    """What the p50 beside the request may be at most, in seconds."""
    return _at_most(targets["fairness_p50"]) * finding.unloaded.p50


def bound_of_p99(finding: Finding, targets: dict[str, Target]) -> float:
    """What the p99 beside the request may be at most, in seconds: the larger of two bounds."""
    in_proportion = _at_most(targets["fairness_p99"]) * finding.unloaded.p99
    return max(in_proportion, _at_most(targets["fairness_p99_ms"]) / _MILLI)


def _at_most(target: Target) -> float:
    if target.at_most is None:
        raise ValueError(f"{target.figure} has no upper bound")
    return target.at_most
