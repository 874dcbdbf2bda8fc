"""The server's own command, with a record of what it does besides answering.

`python -m tails.watched FILE serve …` writes, when it ends, a line of JSON into FILE for each
garbage collection, transaction and round of periodic tasks that took SHORTEST or longer: its kind,
and its first and last moment by `time.monotonic`, which all processes share.
"""

import atexit
import functools
import gc
import json
import sys
import time
from pathlib import Path
from typing import Any

from hookstream_keys.cli import main
from hookstream_keys.runtime.writer import Writer

#: In seconds. What takes less explains no latency that is looked for.
SHORTEST = 0.000_5

_found: list[tuple[str, float, float]] = []


def _keep(kind: str, begun: float) -> None:
    ended = time.monotonic()
    if ended - begun >= SHORTEST:
        _found.append((kind, begun, ended))


def _watch(method: str, kind: str) -> None:
    """Keep how long each call of a method of the writer takes.

    They are no interface: a benchmark of this server's insides has to know them.
    """
    original = getattr(Writer, method)

    @functools.wraps(original)
    def watched(*arguments: Any) -> None:
        begun = time.monotonic()
        original(*arguments)
        _keep(kind, begun)

    setattr(Writer, method, watched)


def _watch_collections() -> None:
    begun = 0.0

    def watched(phase: str, _: dict[str, int]) -> None:
        nonlocal begun
        if phase == "start":
            begun = time.monotonic()
        else:
            _keep("garbage collection", begun)

    gc.callbacks.append(watched)


def _write(file: Path) -> None:
    file.write_text("".join(json.dumps(each) + "\n" for each in _found), "utf-8")


if __name__ == "__main__":
    atexit.register(_write, Path(sys.argv.pop(1)))
    _watch("_run_batch", "transaction")
    _watch("_run_periodic_tasks", "periodic tasks")
    _watch_collections()
    main()
