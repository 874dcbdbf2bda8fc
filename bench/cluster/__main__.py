"""Measure, print the tables, and keep them in RESULTS.md if there were enough rounds."""

import argparse
import operator
import sys
from pathlib import Path

from harness.better_auth import BetterAuth
from harness.hookstream import Hookstream
from harness.machine import heading
from harness.programs import Unusable, require
from harness.targets import number

from cluster import large, measure
from cluster.postgresql import cluster, standby

_RESULTS = Path(__file__).with_name("RESULTS.md")
#: Fewer rounds or keys are a trial, and not written down.
ENOUGH_ROUNDS, ENOUGH_KEYS, ENOUGH_MANY = 3, 1_000_000, 10_000_000


def main() -> None:
    """Run. Ends with status 1 when something is missing or an answer is wrong."""
    parser = argparse.ArgumentParser(prog="python -m cluster", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ENOUGH_ROUNDS, metavar="N")
    parser.add_argument("--seconds", type=int, default=4, metavar="N", help="of each run")
    parser.add_argument("--keys", type=int, default=ENOUGH_KEYS, metavar="N")
    parser.add_argument("--many", type=int, default=ENOUGH_MANY, metavar="N", help="beside 1,000")
    options = parser.parse_args()
    try:
        require("wrk")
        BetterAuth().install()
        report = _report(options.rounds, options.seconds, options.keys, options.many)
        text = "\n".join(report) + "\n"
    except Unusable as error:
        sys.exit(f"cluster: {error}")
    print(text)
    enough = (ENOUGH_ROUNDS, ENOUGH_KEYS, ENOUGH_MANY)
    if any(map(operator.lt, (options.rounds, options.keys, options.many), enough)):
        print("A trial: RESULTS.md is written after enough rounds with enough keys.")
    else:
        _RESULTS.write_text(text, "utf-8")


def _report(rounds: int, seconds: int, keys: int, many: int) -> list[str]:
    with cluster() as database:
        few_keys, many_keys = large.latencies(many, seconds, database)
        data = measure.template(keys)
        url = measure.moved(data, database)
        found = measure.works(rounds, seconds, data, url, database)
        asked = (data, url, database)
        alone = measure.revocations(*asked, has_standby=False, seconds=seconds * 2)
        with standby(database):
            waiting = measure.revocations(*asked, has_standby=True, seconds=seconds * 2)
        made_of = measure.versions(database)
    return [
        "# PostgreSQL beside a file",
        "",
        f"Medians of {rounds} rounds of {seconds} seconds with {keys:,} keys, one worker for each "
        "node; server, database and wrk share the cores. Two nodes have the connections between "
        "them. Written by `tox -e bench-cluster`.",
        "",
        f"better-auth has {measure.BETTER_AUTH_KEYS:,} keys, and its own HTTP API; its create is a "
        "verification of the caller first, as ours is. What is not comparable: it keeps no audit "
        "log, and its verification writes the key's last use each time.",
        "",
        *heading([Hookstream(), measure.BetterAuthOnPostgresql()]),
        f"PostgreSQL {made_of['PostgreSQL']}, asyncpg {made_of['asyncpg']}.",
        "",
        *_table(found),
        *_ratios(found, many, many_keys / few_keys),
        "## Revocations, while others verify on 16 connections",
        "",
        "| standby | p50 ms | p99 ms |",
        "|---|---|---|",
        _latencies("none", alone),
        _latencies("synchronous", waiting),
    ]


def _table(found: measure.Found) -> list[str]:
    lines = [
        "| on | work | connections | requests/s | CPU µs, server | CPU µs, database | p50 ms |"
        " p99 ms |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (name, work, connections), each in found.items():
        figures = (
            each.per_second, each.server_cpu * 1e6, each.database_cpu * 1e6, each.p50 * 1e3,
            each.p99 * 1e3,
        )  # fmt: skip
        cells = (name, work, str(connections), *map(number, figures))
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def _ratios(found: measure.Found, many: int, slower: float) -> list[str]:
    """The targets, which are ratios of this run."""
    rows = [
        ("verify, 16 connections, of SQLite's requests/s", 0.75, _rate(found, "verify", 16)),
        ("verify, 64 connections, of SQLite's requests/s", 1.0, _rate(found, "verify", 64)),
        ("create, 64 connections, of SQLite's requests/s", 1.0, _rate(found, "create", 64)),
        (
            "verify, 16 connections, of better-auth's requests/s",
            5.0,
            found["PostgreSQL", "verify", 16].per_second
            / found[measure.BetterAuthOnPostgresql.label, "verify", 16].per_second,
        ),
        (
            "create on two nodes, 64 connections, of one node's requests/s",
            1.0,
            found["two nodes", "create", 64].per_second
            / found["PostgreSQL", "create", 64].per_second,
        ),
    ]
    lines = ["| target | at least | found | reached |", "|---|---|---|---|"]
    for words, least, value in rows:
        reached = "yes" if value >= least else "no"
        lines.append(f"| {words} | {least} × | {value:.2f} × | {reached} |")
    two, one = (_cpu(found[name, "verify", 64]) for name in ("two nodes", "PostgreSQL"))
    reached = "yes" if two / one <= 1.15 else "no"  # noqa: PLR2004 - the target
    words = "CPU of a verify with two nodes, of one node's"
    lines.append(f"| {words} | at most 1.15 × | {two / one:.2f} × | {reached} |")
    reached = "yes" if slower <= 1.2 else "no"  # noqa: PLR2004 - the target
    words = f"p50 of a verify, 16 connections, {many:,} keys, of that with {large.FEW:,}"
    lines.append(f"| {words} | at most 1.2 × | {slower:.2f} × | {reached} |")
    return [*lines, ""]


def _rate(found: measure.Found, work: str, connections: int) -> float:
    mine, file = (found[name, work, connections].per_second for name in ("PostgreSQL", "SQLite"))
    return mine / file


def _cpu(figures: measure.Figures) -> float:
    return figures.server_cpu + figures.database_cpu


def _latencies(name: str, found: list[float]) -> str:
    p50, p99 = (found[int(len(found) * part)] * 1e3 for part in (0.5, 0.99))
    return f"| {name} | {p50:.1f} | {p99:.1f} |"


if __name__ == "__main__":
    main()
