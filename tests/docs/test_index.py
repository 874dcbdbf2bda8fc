"""docs/README.md lists every page of docs."""

import re

from support.readme import ROOT

FOLDER = ROOT / "docs"


def test_the_index_lists_every_page() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    listed = {target for target in re.findall(r"\]\(([^)#]+)\)", text) if ".." not in target}
    pages = {page.name for page in FOLDER.glob("*.md")} - {"README.md"}
    assert listed == pages | {"forward-auth/README.md", "decisions/README.md"}
