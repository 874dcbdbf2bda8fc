"""The rooms of the package: CONTRIBUTING.md shows them as they are, and they import downwards."""

import sys

import pytest
from docs.rooms import ROOT, layers, picture

import hookstream_keys


@pytest.fixture(scope="module")
def drawn() -> str:
    sys.path.insert(0, str(ROOT))
    try:
        return picture()
    finally:
        sys.path.remove(str(ROOT))


def test_contributing_shows_the_picture_of_now(drawn: str) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert f"```\n{drawn}\n```" in text, drawn


def test_every_arrow_goes_down(drawn: str) -> None:
    assert "▲" not in drawn
    assert [line.split()[0] for line in drawn.splitlines()] == layers()


def test_the_path_of_a_module_is_its_name() -> None:
    for name in ("handlers", "store", "openapi.yaml"):
        link = ROOT / "hookstream_keys" / name
        assert link.is_symlink(), name
        assert link.resolve() == ROOT / name
    assert hookstream_keys.__file__ is not None
