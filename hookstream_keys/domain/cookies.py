"""A tolerant parser of the Cookie header.

The standard library's parser drops the whole header when one cookie is malformed. This one follows
RFC 6265bis, as browsers do: split at semicolons, the first `=` separates name and value, which are
stripped of spaces and tabs. Other white space is a part of the name, or else a neighbouring site
could set a cookie whose name only looks like one of `__Secure-`.
"""

from collections.abc import Iterable
from urllib.parse import unquote

_SPACE = " \t"

#: How many cookies are read at most; browsers keep fewer than 200 for a site.
MAX_COOKIES = 300


def read(header: str, names: Iterable[str]) -> list[str]:
    """The percent-decoded values, each once, of the cookies in `header` that have one of `names`.

    There are none in a header with more than `MAX_COOKIES`.

    Cookies of the first of `names` come first, wherever they stand. There are several of one name
    when other hosts of the domain, or other paths, have set some; browsers do not tell which.
    """
    if header.count(";") >= MAX_COOKIES:
        return []
    jar: dict[str, list[str]] = {}
    for part in header.split(";"):
        name, equals, value = part.partition("=")
        if equals:
            jar.setdefault(name.strip(_SPACE), []).append(value.strip(_SPACE))
    for name in names:
        if name in jar:
            return list(dict.fromkeys(unquote(value.strip('"')) for value in jar[name]))
    return []
