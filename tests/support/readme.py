"""What README.md claims, as the tests read it."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def code_blocks(text: str = README) -> list[str]:
    """The shell code blocks, in their order."""
    return re.findall(r"```sh\n(.*?)```", text, re.DOTALL)


def table(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without its first two lines."""
    section = README.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]
