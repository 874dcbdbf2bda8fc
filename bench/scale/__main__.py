"""Measure, print the tables, and keep them in RESULTS.md with a plot, if all was measured."""

import sys
from pathlib import Path

from harness.hookstream import Hookstream
from harness.machine import heading
from harness.programs import Unusable, require
from harness.targets import targets

from scale import measure, plot, table
from scale.options import Options, read

_HERE = Path(__file__).parent
_SERIES = {
    "keys": (measure.keys, "Against the number of keys", "keys"),
    "connections": (measure.connections, "Against connections", "connections"),
    "workers": (measure.workers, "Against workers", "workers"),
}


def main() -> None:
    """Run. Ends with status 1 when something is missing or an answer is wrong."""
    options = read(sys.argv[1:])
    try:
        require("wrk")
        found = {part: _SERIES[part][0](options) for part in options.parts}
        lines = _report(options, found)
    except Unusable as error:
        sys.exit(f"scale: {error}")
    text = "\n".join(lines)
    print(text)
    if options.is_trial():
        print("A trial: RESULTS.md and the plot are written after enough rounds of everything.")
        return
    plot.draw(found["keys"], found["connections"], found["workers"], _HERE / "scale.svg")
    (_HERE / "RESULTS.md").write_text(text, "utf-8")


def _report(options: Options, found: dict[str, measure.Series]) -> list[str]:
    lines = [
        "# Cost against size",
        "",
        f"Medians of {options.rounds} rounds of {options.seconds} seconds; 16 connections, "
        "1,000 keys and one worker where they are not what is varied. Written by `tox -e scale`.",
        "",
        *heading([Hookstream()]),
        "![What answers cost, against keys, connections and workers](scale.svg)",
        "",
    ]
    if "keys" in found:
        lines += table.targets(found["keys"], targets())
    for part, series in found.items():
        _, title, varied = _SERIES[part]
        lines += table.markdown(title, varied, series)
    return lines


if __name__ == "__main__":
    main()
