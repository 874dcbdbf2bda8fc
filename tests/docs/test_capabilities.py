"""docs/capabilities.md names tests that there are."""

import re

from support.readme import ROOT

TEXT = (ROOT / "docs" / "capabilities.md").read_text(encoding="utf-8")
ROWS = [
    line
    for line in TEXT.splitlines()
    if line.startswith("| ") and not line.startswith("| capability")
]


def test_every_capability_is_proved_by_a_test_that_exists() -> None:
    assert len(ROWS) > 30
    for row in ROWS:
        path = re.search(r"\]\(\.\./([\w/]+\.py)\)", row)
        assert path, row
        source = (ROOT / path[1]).read_text(encoding="utf-8")
        names = re.findall(r"`(test_\w+)`", row)
        assert names, row
        for name in names:
            assert f"def {name}(" in source, name
