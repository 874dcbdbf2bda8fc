"""The tables: what was found, beside what is wanted."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.targets import Target, number

from cluster import large
from cluster.works import CONNECTIONS, WORKS, Found, Setting


def table(found: Found) -> list[str]:
    """The medians of each work in each setting."""
    lines = [
        "| on | work | connections | requests/s | CPU µs, server | CPU µs, database | p50 ms |"
        " p99 ms |",
        "|---|---|---|---|---|---|---|---|",
    ]
    scales = {
        "per_second": 1, "server_cpu": 1e6, "database_cpu": 1e6, "p50": 1e3, "p99": 1e3,
    }  # fmt: skip
    for setting, work, connections in itertools.product(Setting, WORKS, CONNECTIONS):
        figures = (
            number(found.median(setting, work, connections, figure) * scale)
            for figure, scale in scales.items()
        )
        lines.append(f"| {' | '.join((setting, work, str(connections), *figures))} |")
    return [*lines, ""]


@dataclass(frozen=True)
class _Ratio:
    target: Target
    found: float


def ratios(found: Found, many: int, slower: float) -> list[str]:
    """What is wanted of ratios, and what they are; `slower` is that of `many` keys."""
    lines = ["| ratio | target | found | reached |", "|---|---|---|---|"]
    for each in (*_of_requests(found), *_others(found, many, slower)):
        target = each.target
        cells = (target.figure, target.wanted(), target.found(each.found))
        lines.append(f"| {' | '.join(cells)} | {target.reached(each.found)} |")
    return [*lines, ""]


def _of_requests(found: Found) -> Iterable[_Ratio]:
    rows: Sequence[tuple[str, int, Setting, Setting, float, float | None]] = (
        ("verify", 16, Setting.NODE, Setting.FILE, 0.75, 1.0),
        ("verify", 64, Setting.NODE, Setting.FILE, 1.0, 1.3),
        ("verify", 16, Setting.NODE_WITH_LIMITS, Setting.FILE_WITH_LIMITS, 0.75, 1.0),
        ("verify", 64, Setting.NODE_WITH_LIMITS, Setting.FILE_WITH_LIMITS, 1.0, 1.3),
        ("create", 64, Setting.NODE, Setting.FILE, 1.0, None),
        ("verify", 16, Setting.NODE, Setting.BETTER_AUTH, 5.0, None),
        ("create", 64, Setting.TWO_NODES, Setting.NODE, 1.0, None),
    )
    for work, connections, of, to, least, moonshot in rows:
        words = f"{work}, {connections} connections, requests/s: {of} / {to}"
        target = Target(figure=words, unit=" ×", at_least=least, moonshot=moonshot)
        yield _Ratio(target, found.ratio(of, to, work, connections))


def _others(found: Found, many: int, slower: float) -> Iterable[_Ratio]:
    cpu = found.ratio(Setting.TWO_NODES, Setting.NODE, "verify", 64, "cpu")
    words = "verify, 64 connections, CPU of servers and database: two nodes / one"
    yield _Ratio(Target(figure=words, unit=" ×", at_most=1.15), cpu)
    words = f"verify, 16 connections, p50: {many:,} keys / {large.FEW:,}"
    yield _Ratio(Target(figure=words, unit=" ×", at_most=1.2), slower)


def latencies(name: str, found: list[float]) -> str:
    """A row of p50 and p99; `found` is in seconds, and sorted."""
    p50, p99 = (found[int(len(found) * part)] * 1e3 for part in (0.5, 0.99))
    return f"| {name} | {p50:.1f} | {p99:.1f} |"
