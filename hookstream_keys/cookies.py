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


def read(header: str, names: Iterable[str]) -> str | None:
    """The percent-decoded value of the first cookie in `header` that has one of `names`.

    `names` is asked in its own order: a cookie of the first name wins wherever it
    stands. Of several cookies with one name the first wins, as browsers send the one
    with the most specific path first.
    """
    jar: dict[str, str] = {}
    for part in header.split(";"):
        name, equals, value = part.partition("=")
        if equals:
            jar.setdefault(name.strip(_SPACE), value.strip(_SPACE))
    for name in names:
        if name in jar:
            return unquote(jar[name].strip('"'))
    return None
