"""Words that this project does not use are found in every kind of file, and the tree has none."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from docs.words import ROOT, Word, files_below, hits_below, read_list

WORDS = read_list()
PHRASES = [word for word in WORDS.words if not word.identifier]
IDENTIFIERS = [word for word in WORDS.words if word.identifier]
PLACES = {
    "markdown": ("docs/a.md", "# A title\n\n- One line;\n  {}.\n"),
    "openapi": ("openapi.yaml", "info:\n  description: |\n    {}\n"),
    "settings of tools": ("tox.ini", "[testenv]\ndescription = {}\n"),
    "comment": ("a.py", "x = 1  # {}\n"),
    "docstring": ("a.py", 'def f() -> None:\n    """One line.\n\n    {}\n    """\n'),
    "message": ("a.py", "raise ValueError('''{}''')\n"),
    "formatted message": ("a.py", "x = f'''{{x}}: {} {{x}}'''\n"),
}


def lines_of_hits(path: str, source: str, word: Word) -> list[int]:
    return [hit.line for hit in WORDS.hits(path, source) if hit.reason == word.reason]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("word", PHRASES, ids=lambda word: word.pattern.pattern)
def test_a_phrase_is_found_in_every_kind_of_file(word: Word, place: str) -> None:
    path, template = PLACES[place]
    (line,) = [n for n, text in enumerate(template.split("\n"), 1) if "{}" in text]
    assert line in lines_of_hits(path, template.format(word.example), word)


@pytest.mark.parametrize("word", IDENTIFIERS, ids=lambda word: word.pattern.pattern)
def test_an_identifier_is_found_in_code_and_in_backticks(word: Word) -> None:
    name = re.search(word.pattern, word.example)
    assert name is not None
    assert lines_of_hits("docs/a.md", f"It is `{name.group()}`.\n", word) == [1]
    assert lines_of_hits("a.py", f"x = 1\n# `{name.group()}`\n", word) == [2]
    if name.group().isidentifier():
        assert lines_of_hits("a.py", f"class {name.group()}:\n    x = 1\n", word) == [1]
        assert lines_of_hits("docs/a.md", f"{name.group()}, in prose\n", word) == []


@pytest.mark.parametrize(
    "source",
    [
        "def test_nobody_signs_in() -> None: ...\n",
        "MOST_OF_NOBODYS_KEYS = 1\n",
        "x = 'for '\\\n    'ever'\n",
        "# It is revoked for\n# ever.\n",
    ],
)
def test_names_and_broken_lines_are_read(source: str) -> None:
    assert list(WORDS.hits("a.py", source))


@pytest.mark.parametrize(
    "source",
    ["for ever in (): ...\n", "x.no, good = 1, 2\n", "prefer = 'there, ashes, other'\n"],
)
def test_code_and_parts_of_words_are_no_phrases(source: str) -> None:
    assert not list(WORDS.hits("a.py", source))


def test_every_entry_says_what_to_write_and_why() -> None:
    for word in WORDS.words:
        assert word.instead, word
        assert word.reason, word


def test_every_exception_is_needed_and_has_its_reason() -> None:
    names = [path.relative_to(ROOT) for path in files_below([ROOT])]
    for exception in WORDS.exceptions:
        assert exception.reason, exception
        files = [name for name in names if name.match(exception.path)]
        texts = [(ROOT / name).read_text(encoding="utf-8") for name in files]
        assert any(exception.pattern.search(text) for text in texts), exception


def test_the_command_prints_places_and_fails(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("One line.\nNobody asks.\n", encoding="utf-8")
    found = subprocess.run(
        [sys.executable, ROOT / "tests" / "docs" / "words.py", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 1
    assert found.stdout.startswith(f"{tmp_path}/a.md:2: Nobody → no user"), found.stdout
    assert found.stdout.count("\n") == 1


def test_the_tree_has_none_of_the_words() -> None:
    found = list(hits_below(WORDS, WORDS.clean))
    assert not found, "\n".join(map(str, found))
