"""Every link of every page, within the project, leads somewhere; and so does its heading."""

import re
from pathlib import Path

import pytest
from support.readme import ROOT

PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "bench").glob("*.md"),
    *(ROOT / "client").glob("*.md"),
    *(ROOT / "deploy").glob("*.md"),
    *(page for page in (ROOT / "examples").rglob("*.md") if "node_modules" not in page.parts),
    *(ROOT / "bench" / "scale").glob("*.md"),
    *(ROOT / "bench" / "fairness").glob("*.md"),
]
LINKS = [
    (page, target)
    for page in PAGES
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    if not target.startswith(("http://", "https://", "mailto:"))
]


def headings(page: Path) -> set[str]:
    """The headings of a page, as GitHub names them in addresses."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_there_are_pages_and_links() -> None:
    assert len(PAGES) > 10
    assert len(LINKS) > 100


@pytest.mark.parametrize(
    ("page", "target"), LINKS, ids=[f"{page.relative_to(ROOT)}: {to}" for page, to in LINKS]
)
def test_a_link_leads_somewhere(page: Path, target: str) -> None:
    path, _, heading = target.partition("#")
    found = page.parent / path if path else page
    assert found.exists()
    if heading:
        assert heading in headings(found)
