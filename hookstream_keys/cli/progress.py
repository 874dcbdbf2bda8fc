"""The progress of a long command, on a terminal."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import click

from hookstream_keys.store import Progress


@contextmanager
def progress_bar() -> Iterator[Progress | None]:
    """Shows progress on standard error, a bar for each task; None where that is not a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    with ExitStack() as bars:
        steps: dict[str, int] = {}
        bar = click.progressbar(length=0, file=sys.stderr)

        def show(task: str, done: int, total: int) -> None:
            nonlocal bar
            if task not in steps:
                bars.close()
                bar = bars.enter_context(
                    click.progressbar(length=total, label=task, file=sys.stderr)
                )
            bar.update(done - steps.get(task, 0))
            steps[task] = done

        yield show
