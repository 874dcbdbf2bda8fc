"""What the project's files say of each other."""

import configparser
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_oldest_versions_promised_are_the_ones_tested() -> None:
    tox = configparser.ConfigParser()
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    tested = {line for line in tox["testenv:lowest"]["deps"].split() if "==" in line}
    promised = {
        re.sub(r">=([^,;]+).*", r"==\1", requirement)
        for requirement in PYPROJECT["project"]["dependencies"]
    }
    assert tested == promised


def test_every_dependency_is_pinned_for_reproducible_installs() -> None:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pinned = {_canonical(name) for name in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)}
    needed = {
        _canonical(re.split(r"[\[<>=;]", requirement)[0])
        for requirement in PYPROJECT["project"]["dependencies"]
    }
    assert needed <= pinned


def test_every_folder_with_modules_is_packaged() -> None:
    """Setuptools finds the folders that have an `__init__.py`, also behind the two links."""
    assert PYPROJECT["tool"]["setuptools"]["packages"]["find"]["include"] == ["hookstream_keys*"]
    folders = {
        module.parent
        for top in ("handlers", "hookstream_keys", "store")
        for module in (ROOT / top).rglob("*.py")
    }
    assert len(folders) > 10
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_only_what_is_needed_stands_at_the_top() -> None:
    fixed = {"openapi.yaml", "handlers", "store", "tests", "tox.ini", "pyproject.toml"}
    assert fixed <= {path.name for path in ROOT.iterdir()}


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
