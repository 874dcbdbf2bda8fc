"""docs/decisions: each record has its parts, fits a screen, and names files that there are."""

import re
from pathlib import Path

import pytest
from support.readme import ROOT

FOLDER = ROOT / "docs" / "decisions"
RECORDS = sorted(FOLDER.glob("[0-9]*.md"))
MAX_LINES = 30


def test_the_index_lists_every_record_by_number_and_title() -> None:
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| (\d+) \| \[(.+)\]\((.+)\) \|$", index, re.MULTILINE)
    expected = []
    for record in RECORDS:
        title = record.read_text(encoding="utf-8").partition("\n")[0]
        number, _, subject = title.removeprefix("# ").partition(". ")
        assert record.name.startswith(f"{int(number):04}-")
        expected.append((number, subject, record.name))
    assert listed == expected
    assert [int(number) for number, *_ in listed] == list(range(1, len(listed) + 1))


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem)
def test_a_record_has_context_decision_and_consequences_on_a_screen(record: Path) -> None:
    text = record.read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings == ["Context", "Decision", "Consequences"]
    assert text.count("\n") <= MAX_LINES


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem)
def test_a_record_names_files_that_exist(record: Path) -> None:
    for path in re.findall(r"`([\w/.]+/[\w.]+\.(?:py|yaml))`", record.read_text(encoding="utf-8")):
        assert (ROOT / path).is_file(), path
