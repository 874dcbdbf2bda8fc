"""Reading a Cookie header without giving up on the whole of it because of one odd cookie.

The standard library's reader drops everything when one cookie has a value or a
name that it does not like. Browsers send such cookies; this reader, like them,
follows RFC 6265bis: split at semicolons, the first `=` separates name and value, around which
spaces and tabs are nothing. Other space is a part of the name, or else a page of a neighbouring
site could set a cookie whose name only looks like one of `__Secure-`.
"""

from collections.abc import Iterable
from urllib.parse import unquote

_SPACE = " \t"


def read(header: str, names: Iterable[str]) -> list[str]:
    """The percent-decoded values, each once, of the cookies in `header` that have one of `names`.

    `names` is asked in its own order: cookies of the first name win wherever they stand. There
    are several of one name when other hosts of the domain, or other paths, have set some; a
    browser does not say which is whose.
    """
    jar: dict[str, list[str]] = {}
    for part in header.split(";"):
        name, equals, value = part.partition("=")
        if equals:
            jar.setdefault(name.strip(_SPACE), []).append(value.strip(_SPACE))
    for name in names:
        if name in jar:
            return list(dict.fromkeys(unquote(value.strip('"')) for value in jar[name]))
    return []
