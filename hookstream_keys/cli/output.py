"""A command's output: lines of text, or JSON for a program."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import click

from hookstream_keys.domain.errors import ApiError
from hookstream_keys.store import StoreError


class OutputError(Exception):
    """The output cannot be written. The text says why, and whether the change was undone."""


def require_output() -> None:
    """Raise OutputError where standard output is closed, before a secret is created."""
    if sys.stdout is None:
        raise OutputError(
            "standard output is closed: a secret could not be shown; nothing was done"
        )


def discard_output() -> None:
    """Discard what was not written: Python would try again at exit, and exit with status 120."""
    if sys.stdout is not None:
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def show_once(
    answer: Mapping[str, Any],
    as_json: bool,
    facts: Mapping[str, Any] | None = None,
    *,
    undo: Callable[[], object],
    undone: str,
    by_hand: str = "",
    title: str | None = None,
) -> None:
    """Show an answer with a secret, which cannot be shown again, as `show` does.

    As text, a title comes first. When it cannot be written, calls `undo` and raises OutputError,
    which says what is `undone`, or how to do that `by_hand` where `undo` fails: the disk may be
    full.
    """
    try:
        if title and not as_json:
            click.echo(title)
        show(answer, as_json, facts)
    except OSError as error:
        reason = error.strerror or "unknown error"
        failed = f"standard output cannot be written ({reason}), so the secret could not be shown; "
        try:
            undo()
        except (StoreError, ApiError) as failure:
            raise OutputError(f"{failed}undoing that failed ({failure}): {by_hand}") from error
        raise OutputError(failed + undone) from error


def show(answer: Mapping[str, Any], as_json: bool, facts: Mapping[str, Any] | None = None) -> None:
    """Print the answer as JSON, or as text a line for each of `facts`, by default of its fields."""
    if as_json:
        show_json(answer)
        return
    said = answer if facts is None else facts
    width = max(len(name) for name in said)
    for name, value in said.items():
        click.echo(f"{name:{width}}  {printable(str(value))}")


def show_json(answer: Any) -> None:
    """Print the answer as JSON, on one line."""
    click.echo(json.dumps(answer))


def show_page(
    name: str,
    page: Mapping[str, Any],
    lines: Callable[[list[dict[str, Any]]], list[str]],
    *,
    as_json: bool,
) -> None:
    """Print a page of a list, as JSON, or as text a line for each of its items under `name`."""
    if as_json:
        show_json(page)
        return
    for line in lines(page[name]):
        click.echo(line)
    if page["has_more"]:
        note(f"There are more; continue with --cursor {page['cursor']}")
    elif not page[name]:
        note("There are none.")


def columns(rows: list[list[str]]) -> list[str]:
    """A line for each row, in columns."""
    cells = [list(map(printable, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]


def note(message: str) -> None:
    """Print a message that is not part of the answer, on standard error."""
    click.echo(message, err=True)


def printable(text: str) -> str:
    """`text` on one line, with control characters escaped."""
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in text
    )
