"""The shared SQL in PostgreSQL's words.

Values are numbered, and the few words that only SQLite knows are replaced. A statement is
translated once; there are some hundred.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from hookstream_keys.store.sql.connection import Values
from hookstream_keys.store.sql.key_class import CLASS

#: What stands for a value, beside quoted texts and names, in which nothing is replaced.
_PLACES = re.compile(
    r"""'(?:[^']|'')*' | "[^"]*" | (?P<place>\?) | (?<!:):(?P<name>[a-z_0-9]+)""", re.X
)

_REPLACED = [
    # The class is a generated column: SQLite indexes the expression itself.
    (re.compile(re.escape(CLASS)), "key_class"),
    # PostgreSQL takes no word about which index to use.
    (re.compile(r"\bindexed by \w+"), ""),
    # Nothing bounds the visited rows here, as PostgreSQL knows no limit in a recursive query: the
    # deadline of such a read does.
    (re.compile(r"\blimit :most(?=\s+\)\s+(select|update|with))"), ""),
    # SQLite takes the word for "in this order".
    (re.compile(r"\bcross join\b"), "join"),
    # A negative limit is none.
    (re.compile(r"\blimit :most\b"), "limit nullif(:most, -1)"),
    (
        re.compile(r"\bselect value from json_each\(([^)]*)\)"),
        r"select jsonb_array_elements_text(\1::text::jsonb)",
    ),
    (re.compile(r"\binstr\("), "strpos("),
    # What names a row.
    (re.compile(r"\browid\b"), "id"),
]


class Translated:
    """A statement, and the names of its values in order; None where they are by position."""

    __slots__ = ("names", "sql")

    def __init__(self, sql: str) -> None:
        for pattern, words in _REPLACED:
            sql = pattern.sub(words, sql)
        names: dict[str, int] = {}
        places = 0

        def numbered(match: re.Match[str]) -> str:
            nonlocal places
            if match["place"]:
                places += 1
                return f"${places}"
            if match["name"]:
                return f"${names.setdefault(match['name'], len(names) + 1)}"
            return match[0]

        self.sql = _PLACES.sub(numbered, sql)
        self.names = tuple(names) or None

    def bound(self, values: Values) -> tuple[Any, ...]:
        """The values in the order of their numbers."""
        # By far the most are tuples, which is asked faster than whether it is a mapping.
        if type(values) is tuple or not isinstance(values, Mapping):
            return values
        return tuple(values[name] for name in self.names or ())


#: Cached, also where a filter has made the statement.
translated = lru_cache(maxsize=1024)(Translated)
