"""Measure, print the tables, and keep them in RESULTS.md if there were enough rounds."""

import argparse
import operator
import sys
from pathlib import Path

from harness.better_auth import BetterAuth
from harness.hookstream import Hookstream
from harness.machine import heading
from harness.programs import Unusable, require

from cluster import large, report
from cluster.postgresql import cluster, standby
from cluster.revocations import revocations
from cluster.systems import BetterAuthOnPostgresql, moved, template, versions
from cluster.works import BETTER_AUTH_KEYS, works

_RESULTS = Path(__file__).with_name("RESULTS.md")
#: Fewer rounds or keys are a trial, and not written down.
ENOUGH_ROUNDS, ENOUGH_KEYS, ENOUGH_MANY = 10, 1_000_000, 10_000_000


def main() -> None:
    """Run. Ends with status 1 when something is missing or an answer is wrong."""
    parser = argparse.ArgumentParser(prog="python -m cluster", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ENOUGH_ROUNDS, metavar="N")
    parser.add_argument("--seconds", type=int, default=2, metavar="N", help="of each turn")
    parser.add_argument("--keys", type=int, default=ENOUGH_KEYS, metavar="N")
    parser.add_argument("--many", type=int, default=ENOUGH_MANY, metavar="N", help="beside 1,000")
    options = parser.parse_args()
    try:
        require("wrk")
        BetterAuth().install()
        found = _report(options.rounds, options.seconds, options.keys, options.many)
        text = "\n".join(found) + "\n"
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
        few_keys, many_keys = large.latencies(many, seconds * 2, database)
        data = template(keys)
        url = moved(data, database)
        found = works(rounds, seconds, data, url, database)
        asked = (data, url, database)
        alone = revocations(*asked, has_standby=False, seconds=seconds * 4)
        with standby(database):
            waiting = revocations(*asked, has_standby=True, seconds=seconds * 4)
        made_of = versions(database)
    return [
        "# PostgreSQL beside a file",
        "",
        f"Medians of {rounds} rounds with {keys:,} keys; a ratio is the median of each round's. In "
        f"a round, each of those below has each work in turns of {seconds} seconds, while the "
        "others' servers are idle. One worker for each node; server, database and wrk share the "
        "cores. Two nodes have the connections between them. Without limits on requests where "
        "none are named. The database's CPU has that of all databases: the rows of SQLite show "
        "what the idle ones use. Written by `tox -e bench-cluster`.",
        "",
        f"better-auth has {BETTER_AUTH_KEYS:,} keys, and its own HTTP API; its create is a "
        "verification of the caller first, as ours is. What is not comparable: it keeps no audit "
        "log, and its verification writes the key's last use each time.",
        "",
        *heading([Hookstream(), BetterAuthOnPostgresql()]),
        f"PostgreSQL {made_of['PostgreSQL']}, asyncpg {made_of['asyncpg']}.",
        "",
        *report.table(found),
        *report.ratios(found, many, many_keys / few_keys),
        "## Revocations, while others verify on 16 connections",
        "",
        "| standby | p50 ms | p99 ms |",
        "|---|---|---|",
        report.latencies("none", alone),
        report.latencies("synchronous", waiting),
    ]


if __name__ == "__main__":
    main()
