"""docs/reliability.md names tests and files that there are."""

import re

import pytest
from support.readme import ROOT

PAGE = ROOT / "docs" / "reliability.md"
TEXT = PAGE.read_text(encoding="utf-8")
ROWS = [
    line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith("| promise")
]


def test_there_are_promises() -> None:
    assert len(ROWS) > 15


@pytest.mark.parametrize("row", ROWS)
def test_every_promise_is_proved_by_a_test_that_exists(row: str) -> None:
    paths = re.findall(r"\[(test_\w+\.py)\]\(\.\./([\w/]+\.py)\)", row)
    assert paths, row
    sources = ""
    for name, path in paths:
        assert path.endswith(f"/{name}"), path
        sources += (ROOT / path).read_text(encoding="utf-8")
    names = re.findall(r"`(test_\w+)`", row)
    assert names, row
    for name in names:
        assert f"def {name}(" in sources, name
