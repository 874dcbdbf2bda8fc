"""What the text of a setting may be, beside what its type says."""

import re

from hookstream_keys.domain.records import record

#: A whole number above 0.
POSITIVE = r"0*[1-9][0-9]{0,11}"
#: As many seconds as can be added to any date there will be: 31 years at most.
_SECONDS = r"0*[1-9][0-9]{0,8}"


@record
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


_WHOLE_SECONDS = "a whole number of seconds, 1 to 999999999"
SECONDS = Takes.of(f"{_SECONDS}|", _WHOLE_SECONDS)
SECONDS_FROM_0 = Takes.of(f"{_SECONDS}|0+", "a whole number of seconds, 0 to 999999999")
SECONDS_OR_OFF = Takes.of(f"{_SECONDS}|off", f"{_WHOLE_SECONDS}, or off")
#: Days back from now to a date that there is.
_DAYS = "a whole number of days, 1 to 99999"
DAYS_OR_OFF = Takes.of(r"0*[1-9][0-9]{0,4}|off", f"{_DAYS}, or off")
DAYS_FROM_0_OR_OFF = Takes.of(r"0*[1-9][0-9]{0,4}|0+|off", f"{_DAYS}, 0 or off")
COOKIE_PREFIX = Takes.of(
    # A prefix of the browser's own, such as __Host-, would change what the cookie is.
    r"(?!__)[A-Za-z0-9._-]{1,64}",
    "letters, digits, dots, hyphens and underscores, at most 64, and does not begin with __",
)
NUMBER_OR_OFF = Takes.of(f"{POSITIVE}|off", "a whole number above 0, or off")


def number(text: str) -> int | None:
    """The number that a setting has, or None where it is `off` or not set."""
    return None if text in ("", "off") else int(text)
