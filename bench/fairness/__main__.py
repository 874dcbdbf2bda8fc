"""Measure, print the table, and keep it in RESULTS.md with a plot, if all was measured."""

import sys
from pathlib import Path

from harness.hookstream import Hookstream
from harness.machine import heading
from harness.programs import Unusable
from harness.targets import targets

from fairness import table
from fairness.measure import measure
from fairness.options import Options, read

_HERE = Path(__file__).parent


def main() -> None:
    """Run. Ends with status 1 when something is missing or an answer is wrong."""
    options = read(sys.argv[1:])
    wanted = targets()
    try:
        findings = measure(options)
        lines = [*_heading(options), *table.markdown(findings, wanted)]
    except Unusable as error:
        sys.exit(f"fairness: {error}")
    text = "\n".join(lines)
    print(text)
    if options.is_trial():
        print("A trial: RESULTS.md and the plot are written after enough rounds of the twelve.")
        return
    # Needed here only: a trial runs without it.
    from fairness import plot  # noqa: PLC0415

    plot.draw(findings, wanted, _HERE / "fairness.svg")
    (_HERE / "RESULTS.md").write_text(text, "utf-8")


def _heading(options: Options) -> list[str]:
    return [
        "# Fairness",
        "",
        f"Medians of {options.rounds} rounds of {options.seconds} seconds, with {options.keys:,} "
        "keys and one worker. Four clients of one tenant repeat a heavy request, while one client "
        "of another tenant repeats `authorize`. Written by `tox -e fairness`.",
        "",
        *heading([Hookstream()], by_wrk=False),
        "![Another tenant's authorize beside each request](fairness.svg)",
        "",
    ]


if __name__ == "__main__":
    main()
