"""A sandbox in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Facts = dict[str, Any]


@contextmanager
def running_sandbox() -> Iterator[Facts]:
    """Run a sandbox until the block ends: the facts that it printed."""
    command = [str(Path(sys.executable).with_name("hookstream-keys")), "sandbox", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            facts: Facts = json.loads(process.stdout.readline())
            yield facts
        finally:
            process.terminate()
