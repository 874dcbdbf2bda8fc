"""The words that this project does not use, and what it writes instead: `words.toml` is the list.

`python tests/docs/words.py [PATH…]` prints `file:line: word → instead (reason)` for each hit and
exits with status 1 when there is one. Without a path it reads the list's `clean`, the whole tree.
"""

import io
import keyword
import re
import sys
import tokenize
import tomllib
from bisect import bisect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
LIST = Path(__file__).with_name("words.toml")
SUFFIXES = {
    ".c",
    ".go",
    ".ini",
    ".js",
    ".lua",
    ".md",
    ".mjs",
    ".py",
    ".toml",
    ".ts",
    ".yaml",
    ".yml",
}
STRINGS = {"STRING", "FSTRING_START", "FSTRING_MIDDLE", "FSTRING_END"}
CODE = "\0"  # stands for what is neither prose nor a name, so that no phrase spans it
GAP = r"""[\s#>"'\\]+"""  # a phrase may span lines, comments and adjacent string literals


class Hit(NamedTuple):
    """A word that stands where another is to be used."""

    path: str
    line: int
    word: str
    instead: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.word} → {self.instead} ({self.reason})"


@dataclass(frozen=True)
class Word:
    """An entry of the list: a phrase anywhere, or an identifier in code and in backticks."""

    pattern: re.Pattern[str]
    instead: str
    reason: str
    identifier: bool
    example: str

    def found_in(self, text: "Text") -> Iterator[re.Match[str]]:
        """Every occurrence."""
        for part in text.identifiers if self.identifier else [text.prose]:
            yield from self.pattern.finditer(part)


class Excepted(NamedTuple):
    """A place where a word is right."""

    path: str
    pattern: re.Pattern[str]
    reason: str

    def covers(self, path: str, line: str) -> bool:
        """Whether this line of this file may keep its word."""
        return Path(path).match(self.path) and self.pattern.search(line) is not None


@dataclass(frozen=True)
class Text:
    """A file, masked: as long as the file itself, so that an offset is a place in it."""

    prose: str
    identifiers: list[str]


@dataclass(frozen=True)
class WordList:
    """All entries, their exceptions, and the paths that are held to them."""

    clean: list[Path]
    words: list[Word]
    exceptions: list[Excepted]

    def hits(self, path: str, source: str) -> Iterator[Hit]:
        """What is found in a file of this name."""
        text = _python(source) if path.endswith(".py") else _plain(source)
        lines = source.split("\n")
        ends = list(accumulate(len(line) + 1 for line in lines))
        found = {(m.start(), m.group(), word) for word in self.words for m in word.found_in(text)}
        for start, matched, word in sorted(found, key=lambda hit: hit[0]):
            number = bisect(ends, start)
            if not any(one.covers(path, lines[number]) for one in self.exceptions):
                shown = " ".join(matched.split())
                yield Hit(path, number + 1, shown, word.instead, word.reason)


def read_list() -> WordList:
    """The list as `words.toml` has it."""
    with LIST.open("rb") as file:
        document = tomllib.load(file)
    return WordList(
        [ROOT / path for path in document["clean"]],
        [_word(entry) for entry in document["word"]],
        [
            Excepted(entry["path"], re.compile(entry["pattern"]), entry["reason"])
            for entry in document["exception"]
        ],
    )


def files_below(paths: Iterable[Path]) -> Iterator[Path]:
    """The files that are read: no links, hidden folders, dependencies or built files."""
    for path in sorted(paths):
        if path.is_symlink():
            continue
        if path.is_file():
            if path.suffix in SUFFIXES:
                yield path
        elif not _is_foreign(path):
            yield from files_below(path.iterdir())


def hits_below(words: WordList, paths: Iterable[Path]) -> Iterator[Hit]:
    """Every hit in these files and folders."""
    for path in files_below(path.resolve() for path in paths):
        name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        yield from words.hits(name.as_posix(), path.read_text(encoding="utf-8"))


def _word(entry: dict[str, str]) -> Word:
    identifier = entry.get("kind") == "identifier"
    pattern = entry["pattern"] if identifier else entry["pattern"].replace(" ", GAP)
    flags = re.NOFLAG if identifier else re.IGNORECASE
    return Word(
        re.compile(rf"(?<!\w)(?:{pattern})(?!\w)", flags),
        entry["instead"],
        entry["reason"],
        identifier,
        entry["example"],
    )


def _is_foreign(folder: Path) -> bool:
    name = folder.name
    return (
        (name.startswith(".") and folder != ROOT)
        or name in {"node_modules", "build", "dist", "reports", "__pycache__"}
        or name in {"reference", "swagger_ui"}
        or name.endswith(".egg-info")
        or (folder / "pyvenv.cfg").exists()
    )


def _plain(source: str) -> Text:
    return Text(source.replace("_", " "), [_in_backticks(source)])


def _in_backticks(text: str) -> str:
    masked = [CODE] * len(text)
    for span in re.finditer(r"`([^`\n]+)`", text):
        masked[span.start(1) : span.end(1)] = span.group(1)
    return "".join(masked)


def _python(source: str) -> Text:
    """Comments, strings and names stay; keywords, operators and numbers do not."""
    starts = [0, *accumulate(len(line) for line in source.splitlines(keepends=True))]
    names, prose = [CODE] * len(source), [CODE] * len(source)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        start = starts[token.start[0] - 1] + token.start[1]
        end = starts[token.end[0] - 1] + token.end[1]
        kind = tokenize.tok_name[token.type]
        if kind in STRINGS or kind == "COMMENT":
            prose[start:end] = source[start:end]
        elif kind == "NAME" and not keyword.iskeyword(token.string):
            names[start:end] = prose[start:end] = token.string
    for at, character in enumerate(source):
        if character.isspace() or character == "\\":
            prose[at] = character
    read = "".join(prose)
    return Text(read.replace("_", " "), ["".join(names), _in_backticks(read)])


def main() -> int:
    """Print the hits; the exit status."""
    words = read_list()
    found = list(hits_below(words, [Path(path) for path in sys.argv[1:]] or words.clean))
    for hit in found:
        print(hit)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
