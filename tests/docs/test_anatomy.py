"""`python -m anatomy` (`tox -e anatomy`) runs, and docs/performance.md explains its layers."""

import os
import re
import subprocess
import sys

from support.readme import ROOT

BENCH = ROOT / "bench"
BAR = re.compile(r"^(\w+) +([0-9.]+) µs", re.MULTILINE)


def test_every_layer_is_measured_and_explained() -> None:
    # Few requests: what is tried is that it runs.
    done = subprocess.run(
        [sys.executable, "-m", "anatomy", "50"],
        cwd=BENCH,
        env={**os.environ, "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = BAR.findall(done.stdout)
    assert all(float(microseconds) > 0 for _, microseconds in found)
    layers = [name for name, _ in found[: len(found) // 2]]
    assert [name for name, _ in found] == 2 * layers
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    section = page.partition("## Where a request's time goes")[2].partition("\n## ")[0]
    assert re.findall(r"^\| (\w+)(?: \(`\w+`\))? \| ", section, re.MULTILINE)[1:] == layers
    assert [name for name, _ in BAR.findall(section)] == 2 * layers
