"""docs/security.md names tests that there are, and requirements by their numbers."""

import re

import pytest
from support.readme import ROOT

TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
HEADING = "| asset | attacker | attack | decision | proved by | ASVS 5.0 | API Top 10 |"


def threats() -> list[list[str]]:
    """The rows of every table of threats, each as its columns."""
    rows, inside = [], False
    for line in TEXT.splitlines():
        inside = line == HEADING or (inside and line.startswith("|"))
        if inside and line != HEADING and not line.startswith("|---"):
            rows.append([column.strip() for column in line.strip("|").split(" | ")])
    return rows


ROWS = threats()


def test_there_are_threats_of_every_kind() -> None:
    assert len(ROWS) > 25
    assert TEXT.count(HEADING) >= 5


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}: {row[2]}"[:60])
def test_a_threat_is_met_by_a_test_that_exists(row: list[str]) -> None:
    assert len(row) == 7, row
    proofs = re.findall(r"\]\(\.\./([\w/]+\.py)\)((?: `test_\w+`)+)", row[4])
    assert proofs, row[4]
    assert len(proofs) == row[4].count("]("), "every link is followed by the names of its tests"
    for path, names in proofs:
        source = (ROOT / path).read_text(encoding="utf-8")
        for name in re.findall(r"test_\w+", names):
            assert f"def {name}(" in source, f"{path} has no {name}"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}: {row[2]}"[:60])
def test_a_threat_names_requirements_as_they_are_numbered(row: list[str]) -> None:
    # Chapters of ASVS 5.0 are V1 to V17; API Security has ten.
    for requirement in row[5].split(", "):
        assert re.fullmatch(r"V([1-9]|1[0-7])\.\d{1,2}(\.\d{1,2})?", requirement), requirement
    for item in row[6].split(", "):
        assert re.fullmatch(r"API([1-9]|10)", item), item
