"""The formats of settings, besides their types."""

import re

from hookstream_keys.domain.records import record

#: A whole number above 0.
POSITIVE = r"0*[1-9][0-9]{0,11}"
#: At most 31 years, so that they can be added to any date.
_SECONDS = r"0*[1-9][0-9]{0,8}"


@record
class Takes:
    """A pattern that the whole text must match, and its description."""

    pattern: re.Pattern[str]
    words: str
    #: Whether a message may show a text that is refused: a URL may have a password in it.
    shown: bool = True

    @classmethod
    def of(cls, pattern: str, words: str, *, shown: bool = True) -> "Takes":
        """From a pattern's text; letters and digits are ASCII."""
        return cls(re.compile(pattern, re.ASCII), words, shown)


def one_of(*choices: str) -> Takes:
    """One of a few words."""
    return Takes.of("|".join(choices), f"one of {', '.join(sorted(choices))}")


_WHOLE_SECONDS = "a whole number of seconds, 1 to 999999999"
SECONDS = Takes.of(f"{_SECONDS}|", _WHOLE_SECONDS)
SECONDS_FROM_0 = Takes.of(f"{_SECONDS}|0+", "a whole number of seconds, 0 to 999999999")
SECONDS_OR_OFF = Takes.of(f"{_SECONDS}|off", f"{_WHOLE_SECONDS}, or off")
#: Few enough that the date so many days ago exists.
_DAYS = "a whole number of days, 1 to 99999"
DAYS_OR_OFF = Takes.of(r"0*[1-9][0-9]{0,4}|off", f"{_DAYS}, or off")
DAYS_FROM_0_OR_OFF = Takes.of(r"0*[1-9][0-9]{0,4}|0+|off", f"{_DAYS}, 0 or off")
COOKIE_PREFIX = Takes.of(
    # A prefix that browsers interpret, such as __Host-, would change the cookie's meaning.
    r"(?!__)[A-Za-z0-9._-]{1,64}",
    "letters, digits, dots, hyphens and underscores, at most 64, and does not begin with __",
)
#: 1 to 65535, without leading zeros.
_PORT = r"([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
#: As a browser writes `Origin` (RFC 6454, section 6.1): never with the scheme's own port.
_ORIGIN = (
    r"(?!http://[^/]*:80(/|$)|https://[^/]*:443(/|$))"
    rf"https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:{_PORT})?"
)
ORIGIN = Takes.of(
    _ORIGIN,
    "an origin: http or https, a host in lower case, perhaps a port from 1 to 65535 other than the "
    "scheme's own, and nothing else, such as https://console.example.com",
    shown=False,
)
#: A URL's path, or nothing: no slash at its end, and no `.` or `..` as a segment, which clients
#: resolve. Nothing that YAML, a shell or JavaScript reads as more than text: it stands in the
#: document and its code samples.
URL_PATH = r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*"
PUBLIC_URL = Takes.of(
    # No /v1 at the end, which follows it.
    rf"(?!.*/v1$)({_ORIGIN}{URL_PATH})?",
    "a URL without user and password: http or https, a host in lower case, perhaps a port from 1 "
    "to 65535 other than the scheme's own, and perhaps a path without /v1 and without a slash at "
    "its end, such as https://keys.example.com or https://example.com/keys (the server adds /v1)",
    shown=False,
)
POSTGRESQL_URL = Takes.of(
    r"(postgres(ql)?://([^@/?#\s]*@)?[^@/?#\s]*(/[^@#\s]*)?)?",
    "postgresql://USER@HOST1,HOST2/NAME, with special characters of a password percent-encoded, "
    "such as %2F for / and %40 for @",
    # It may have a password.
    shown=False,
)
#: Smaller limits would refuse requests that every client sends.
BYTES = Takes.of(
    r"(102[4-9]|10[3-9]\d|1[1-9]\d\d|[2-9]\d{3}|[1-9]\d{4,11})",
    "a whole number of bytes, 1024 or more",
)
PORT = Takes.of(
    rf"0*(0|{_PORT})",
    "a port, 0 to 65535, such as 8080; 0 chooses a free one",
)
#: At most 256, as many as `serve` starts.
WORKERS = Takes.of(
    r"0*([1-9]\d?|1\d\d|2[0-4]\d|25[0-6])", "a whole number of processes, 1 to 256, such as 4"
)
NUMBER_OR_OFF = Takes.of(f"{POSITIVE}|off", "a whole number above 0, or off")


def number(text: str) -> int | None:
    """The setting's number, or None where it is `off` or not set."""
    return None if text in ("", "off") else int(text)
