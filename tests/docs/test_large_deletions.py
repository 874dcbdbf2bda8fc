"""docs/operation.md and the decision have the numbers of deletions in batches."""

from support.readme import ROOT

from hookstream_keys.runtime.batches import MAX_SECONDS, PAUSE_SECONDS
from hookstream_keys.store.sql.batches import ROWS_AT_ONCE

DOCS = ROOT / "docs"


def test_the_numbers_are_as_stated() -> None:
    page = (DOCS / "operation.md").read_text(encoding="utf-8")
    section = page.partition("## Large deletions")[2].partition("\n## ")[0]
    words = " ".join(section.split())
    assert f"Up to {ROWS_AT_ONCE} rows are changed with it" in words
    assert (
        f"transactions of {MAX_SECONDS * 1000:.0f} ms, with {PAUSE_SECONDS * 1000:.0f} ms" in words
    )
    record = (DOCS / "decisions" / "0020-deletions-in-batches.md").read_text(encoding="utf-8")
    assert f"Up to {ROWS_AT_ONCE} rows" in " ".join(record.split())
