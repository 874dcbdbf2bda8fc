"""What a command answers: for a program JSON, for a person lines."""

import json
from collections.abc import Mapping
from typing import Any

import click


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
