"""What the text of a setting may be, beside what its type says."""

import re
from dataclasses import dataclass

#: A whole number above 0, and such that no sum of several is too large for a date.
POSITIVE = r"0*[1-9][0-9]{0,11}"


@dataclass(frozen=True, slots=True)
class Takes:
    """A pattern that the whole text must match, and the same in words."""

    pattern: re.Pattern[str]
    words: str

    @classmethod
    def of(cls, pattern: str, words: str) -> "Takes":
        """The same from a pattern's text; letters and digits are ASCII's only."""
        return cls(re.compile(pattern, re.ASCII), words)


def one_of(*choices: str) -> Takes:
    """One of a few words."""
    return Takes.of("|".join(choices), f"one of {', '.join(sorted(choices))}")


NUMBER_OR_OFF = Takes.of(f"{POSITIVE}|off", "a whole number above 0, or off")


def number(text: str) -> int | None:
    """The number that a setting has, or None where it is `off` or not set."""
    return None if text in ("", "off") else int(text)
