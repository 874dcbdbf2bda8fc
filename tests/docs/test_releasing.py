"""RELEASING.md and .pre-commit-config.yaml say what tox, the package and the changelog have."""

import configparser
import re

import pytest
import yaml
from support.readme import ROOT, code_blocks

PAGE = (ROOT / "RELEASING.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tox() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "tox.ini", encoding="utf-8")
    return parser


def test_every_environment_that_is_named_exists(tox: configparser.ConfigParser) -> None:
    named = re.findall(r"tox -e (\w+)", PAGE)
    assert len(set(named)) > 5
    assert {f"testenv:{name}" for name in named} <= set(tox.sections())


def test_every_variable_that_is_named_is_passed_on(tox: configparser.ConfigParser) -> None:
    passed = tox["testenv"]["pass_env"].split()
    for name in re.findall(r"^([A-Z]+)_\w+=", "\n".join(code_blocks(PAGE)), re.MULTILINE):
        assert f"{name}_*" in passed


def test_the_version_is_where_the_page_says() -> None:
    places = {
        "hookstream_keys/__init__.py": r'^__version__ = "(.+)"$',
        "client/hookstream_keys_client/__init__.py": r'^__version__ = "(.+)"$',
        "openapi.yaml": r"^  version: (.+)$",
    }
    for path, line in places.items():
        assert f"`{path}`" in PAGE
        text = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(line, text, re.MULTILINE), path


def test_the_changelog_has_the_form_that_the_page_asks_for() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first, *others = re.findall(r"^## (.+)$", text, re.MULTILINE)
    released = re.compile(r"\d+\.\d+\.\d+ - \d{4}-\d\d-\d\d")
    assert first == "Unreleased"
    assert all(released.fullmatch(each) for each in others)
    example = re.search(r"`## (.+?)`", PAGE)
    assert example
    assert released.fullmatch(example[1])
    sections = set(re.findall(r"^### (.+)$", text, re.MULTILINE))
    assert sections <= {"Added", "Changed", "Fixed", "Security"}


def test_pre_commit_runs_what_lint_runs(tox: configparser.ConfigParser) -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    (repository,) = config["repos"]
    assert repository["repo"] == "local"
    commands = [hook["entry"] for hook in repository["hooks"]]
    assert commands == tox["testenv:lint"]["commands"].split("\n")[1:]
