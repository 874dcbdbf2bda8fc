"""CONTRIBUTING.md: its recipes name every place, and what they name exists."""

import re
from pathlib import Path

from support.readme import ROOT, code_blocks

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def section(heading: str) -> str:
    return TEXT.partition(f"{heading}\n")[2].partition("\n##")[0]


def test_the_recipe_for_a_column_names_every_module_that_knows_one() -> None:
    recipe = section("### Add a column to keys")
    folders = (ROOT / "handlers", ROOT / "hookstream_keys", ROOT / "store")
    modules = {
        path.resolve().relative_to(ROOT.resolve())
        for folder in folders
        for path in folder.rglob("*.py")
        if re.search("external[_-]id", path.read_text(encoding="utf-8"))
    }
    # It is generated.
    modules -= {Path("hookstream_keys/contract/types.py")}
    assert len(modules) > 5
    assert {path for path in modules if f"`{path}`" not in recipe} == set()


def test_every_file_that_is_named_exists() -> None:
    folders = "hookstream_keys|handlers|store|tests|bench|client|deploy|docs|examples"
    named = re.findall(rf"`((?:{folders})/[\w/.-]+)`", TEXT)
    assert len(named) > 40
    for path in named:
        assert (ROOT / path).exists(), path


def test_every_environment_of_tox_that_is_named_exists() -> None:
    tox = (ROOT / "tox.ini").read_text(encoding="utf-8")
    for name in re.findall(r"tox -e (\w+)", TEXT):
        assert name == "py311" or f"[testenv:{name}]" in tox, name


def test_the_first_test_is_a_file_that_needs_what_is_installed() -> None:
    commands = "".join(code_blocks(TEXT)).splitlines()
    tests = [word for line in commands for word in line.split() if word.startswith("tests/")]
    assert len(tests) == 3
    for path in tests:
        assert (ROOT / path).exists(), path
    assert "--editable . hypothesis pytest" in commands[1]
