"""Measure, print the table, and keep it in RESULTS.md with a plot, if it was long enough."""

import argparse
import sys
from pathlib import Path

from harness.hookstream import Hookstream
from harness.machine import heading
from harness.programs import Unusable, require
from harness.python_peers import Bare

from tails import report, scenarios

_HERE = Path(__file__).parent
#: Shorter runs are a trial, and not written down.
ENOUGH_SECONDS = 30


def main() -> None:
    """Run. Ends with status 1 when something is missing or an answer is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tails", description=__doc__)
    parser.add_argument("--seconds", type=int, default=ENOUGH_SECONDS, metavar="N", help="of each")
    seconds = parser.parse_args().seconds
    try:
        require("wrk")
        findings = list(scenarios.run(seconds))
        text = "\n".join(_report(seconds, findings))
    except Unusable as error:
        sys.exit(f"tails: {error}")
    print(text)
    if seconds < ENOUGH_SECONDS:
        print("A trial: RESULTS.md and the plot are written after enough seconds.")
        return
    report.draw(findings, _HERE / "tails.svg")
    (_HERE / "RESULTS.md").write_text(text, "utf-8")


def _report(seconds: int, findings: list[scenarios.Finding]) -> list[str]:
    return [
        "# The slowest answers",
        "",
        f"*verify* at half of what one worker answers at most, for {seconds} seconds, over "
        f"{scenarios.CONNECTIONS} connections, with log and limits on; beside creations, a quarter "
        "of each. A request is sent when it is due, whatever the server does, and its latency "
        "begins then. Written by `tox -e tails`.",
        "",
        *heading([Hookstream(), Bare()]),
        "![The slowest answers over time](tails.svg)",
        "",
        *report.table(findings),
    ]


if __name__ == "__main__":
    main()
