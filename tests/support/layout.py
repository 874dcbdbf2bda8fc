"""What a person sees of a page: contrast, what is cut off, what touches."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page

#: The least contrast of text that WCAG 2.2 accepts at level AA (success criterion 1.4.3).
LEAST_CONTRAST = 4.5

_CONTRAST = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")

_IS_ONE_ROW = """(row) => {
  const [first, ...rest] = [...row.children].map((each) => each.getBoundingClientRect());
  return rest.every((each) => each.top < first.bottom && first.top < each.bottom);
}"""

_PLACEHOLDER = """(field) => {
  const style = getComputedStyle(field);
  const pen = document.createElement('canvas').getContext('2d');
  pen.font = style.font;
  const room = field.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  return [pen.measureText(field.placeholder).width, room];
}"""

_GAPS = """(table) => [...table.rows].flatMap((row) => {
  const texts = [...row.cells].map((cell) => {
    const range = document.createRange();
    range.selectNodeContents(cell);
    return range.getBoundingClientRect();
  });
  return texts.slice(1).map((text, number) => text.left - texts[number].right);
})"""


def low_contrast(page: Page, root: str = "body") -> list[str]:
    """The visible texts below what `root` selects that have too little contrast."""
    found: dict[str, Any] = page.evaluate(
        f"([root, least]) => ({_CONTRAST})(root, least)", [root, LEAST_CONTRAST]
    )
    assert found["checked"] > 5, "there is no text"
    low: list[str] = found["low"]
    return low


def sideways(page: Page) -> int:
    """By how many pixels the page is wider than the window."""
    wide: int = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return wide


def is_one_row(parent: Locator) -> bool:
    """Whether all children stand beside one another."""
    one: bool = parent.evaluate(_IS_ONE_ROW)
    return one


def shows_its_placeholder(field: Locator) -> bool:
    """Whether the whole placeholder of a field fits into it."""
    needed, room = field.evaluate(_PLACEHOLDER)
    fits: bool = needed <= room
    return fits


def least_gap(table: Locator) -> float:
    """The least space between the texts of two columns, in pixels."""
    gaps: list[float] = table.evaluate(_GAPS)
    return min(gaps)
