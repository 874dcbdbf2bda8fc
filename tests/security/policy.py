"""The table of docs/policy.md, as a value."""

from typing import NamedTuple

from support.readme import ROOT


class Cell(NamedTuple):
    """The expected answer to one operation by one kind of caller."""

    operation: str
    who: str
    status: int
    #: The word in the answer that makes the difference, where the status does not.
    word: str | None

    def __str__(self) -> str:
        return f"{self.operation}-{self.who.replace(' ', '-')}"


def read() -> list[Cell]:
    """Every cell, in the order of the document. Raises ValueError where a row is too short."""
    text = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")
    lines = [_columns(line) for line in text.splitlines() if line.startswith("| ")]
    heading = next(line for line in lines if line[0] == "operation")
    rows = [line for line in lines if line[0].startswith("`")]
    return [
        _cell(row[0].strip("`"), who, text)
        for row in rows
        for who, text in zip(heading[1:], row[1:], strict=True)
    ]


def _columns(line: str) -> list[str]:
    return [column.strip() for column in line.strip().strip("|").split("|")]


def _cell(operation: str, who: str, text: str) -> Cell:
    status, _, word = text.partition(" ")
    return Cell(operation, who, int(status), word or None)
