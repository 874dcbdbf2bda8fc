"""What a process of this server takes: memory under load, time to start, time to be imported."""

import statistics
import sys

from harness.programs import run as run_program
from harness.system import System

from compare.rounds import Findings
from compare.table import Row

_TIMES = 5
_MB = 1_000_000
_IMPORT = "import time; a = time.perf_counter(); import {}; print(time.perf_counter() - a)"


def run(ours: System, found: Findings) -> list[Row]:
    """Measure what the rounds have not. Raises Unusable."""
    resident = max(found.median(work, ours).resident for work in ours.works) / _MB
    figures = {
        "memory of a worker under load": ("rss_mb", resident),
        "start until ready": ("ready_seconds", found.ready_seconds(ours)),
        "import hookstream_keys": ("import_seconds", _import("hookstream_keys")),
        "import hookstream_keys.app": ("import_app_seconds", _import("hookstream_keys.app")),
    }
    return [
        Row(work=work, system=ours.name, figure=figure, value=value)
        for work, (figure, value) in figures.items()
    ]


def _import(module: str) -> float:
    """How long a new interpreter takes to import the installed module, in the median."""
    command = (sys.executable, "-I", "-c", _IMPORT.format(module))
    return statistics.median(float(run_program(*command)) for _ in range(_TIMES))
