"""What a command answers: for a program JSON, for a person lines."""

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

import click


class OutputError(Exception):
    """What a command answers cannot be written. Its text says why, and what became of it."""


def require_output() -> None:
    """Raise OutputError where standard output is closed: before a secret is made to be shown."""
    if sys.stdout is None:
        raise OutputError(
            "standard output is closed: a secret could not be shown; nothing was done"
        )


def show_once(
    answer: Mapping[str, Any],
    as_json: bool,
    facts: Mapping[str, Any] | None = None,
    *,
    undo: Callable[[], object],
    title: str | None = None,
) -> None:
    """Show what has a secret, which cannot be shown again, as `show` does.

    To a person a title comes first. Where it cannot be written, `undo` is called. Raises
    OutputError then.
    """
    try:
        if title and not as_json:
            click.echo(title)
        show(answer, as_json, facts)
    except OSError as error:
        undo()
        reason = error.strerror or "unknown error"
        raise OutputError(
            f"standard output cannot be written ({reason}), so the secret could not be shown; "
            "what was done is undone"
        ) from error


def show(answer: Mapping[str, Any], as_json: bool, facts: Mapping[str, Any] | None = None) -> None:
    """Print the answer; for a person a line for each of `facts`, or else for each that it has."""
    if as_json:
        show_json(answer)
        return
    said = answer if facts is None else facts
    width = max(len(name) for name in said)
    for name, value in said.items():
        click.echo(f"{name:{width}}  {printable(str(value))}")


def show_json(answer: Any) -> None:
    """Print the answer for a program, on one line."""
    click.echo(json.dumps(answer))


def note(message: str) -> None:
    """Tell a person what is no part of the answer: on standard error, where no pipe takes it."""
    click.echo(message, err=True)


def printable(text: str) -> str:
    """`text` on one line, with what would make a terminal do something spelled out."""
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in text
    )
