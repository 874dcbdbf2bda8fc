"""Measure, print the table, and keep it in RESULTS.md with a plot, if it was long enough."""

import argparse
import sys
from pathlib import Path

from harness.hookstream import Hookstream
from harness.machine import heading
from harness.programs import Unusable

from memory import measure, report

_HERE = Path(__file__).parent
#: A shorter run, or one with fewer keys, is a trial, and not written down.
ENOUGH_SECONDS, ENOUGH_KEYS = 3_600, 10_000_000


def main() -> None:
    """Run. Ends with status 1 when something is missing or an answer is wrong."""
    parser = argparse.ArgumentParser(prog="python -m memory", description=__doc__)
    parser.add_argument("--seconds", type=int, default=ENOUGH_SECONDS, metavar="N")
    parser.add_argument("--keys", type=int, default=ENOUGH_KEYS, metavar="N")
    options = parser.parse_args()
    try:
        series = measure.run(options.seconds, options.keys)
        text = "\n".join(_report(options.seconds, options.keys, series))
    except Unusable as error:
        sys.exit(f"memory: {error}")
    print(text)
    if options.seconds < ENOUGH_SECONDS or options.keys < ENOUGH_KEYS:
        print("A trial: RESULTS.md and the plot are written after an hour with all keys.")
        return
    report.draw(series, _HERE / "memory.svg")
    (_HERE / "RESULTS.md").write_text(text, "utf-8")


def _report(seconds: int, keys: int, series: measure.Series) -> list[str]:
    return [
        "# Memory under load",
        "",
        f"Resident memory of a server with {keys:,} keys and {measure.WORKERS} workers, over "
        f"{seconds:,} seconds of {measure.VERIFICATIONS} verifications and {measure.CREATIONS} "
        "creations a second. What two processes share counts for each of them. Written by "
        "`tox -e memory`.",
        "",
        *heading([Hookstream()], by_wrk=False),
        "![Resident memory over time](memory.svg)",
        "",
        *report.table(series),
    ]


if __name__ == "__main__":
    main()
