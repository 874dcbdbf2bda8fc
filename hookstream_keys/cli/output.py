"""What a command answers, for a program or for a person."""

import json
from typing import Any

import click


def show(facts: dict[str, Any], as_json: bool) -> None:
    """Print `facts`, for a person a line each."""
    if as_json:
        click.echo(json.dumps(facts))
        return
    width = max(len(name) for name in facts)
    for name, value in facts.items():
        click.echo(f"{name:{width}}  {value}")
