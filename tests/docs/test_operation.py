"""docs/operation.md: the lines of the log that it explains are those of the program."""

import re
from pathlib import Path

import pytest
from support.readme import ROOT

PAGE = (ROOT / "docs" / "operation.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## Monitoring\n")[2].partition("\n## ")[0]
LINES = re.findall(r"^\| `(.+?)`", SECTION, re.MULTILINE)
ENDS = ["the database confirms heartbeats again", "is asked again"]


#: The text of every module, with `%s` for what differs in a message.
MODULES = "\n".join(
    file.read_text(encoding="utf-8")
    for folder in ("store", "hookstream_keys")
    for file in Path(ROOT, folder).rglob("*.py")
)


@pytest.mark.parametrize("line", [*LINES, *ENDS])
def test_a_line_of_the_log_is_one(line: str) -> None:
    assert len(LINES) == 5
    assert line.replace("…", "%s").replace("HOST", "%s") in MODULES
