"""Opaque keyset cursors: the sort key of the last row of a page, encoded.

Keyset pagination: the cost of a page does not depend on its depth, and rows that are added
meanwhile neither repeat nor hide another.

`openapi.yaml` has the same form as the pattern of the parameter `Cursor`. Every text of this form
is a position, also one where no row is: a unit test holds both.
"""

import re

from hookstream_keys.domain.errors import BadRequest, Detail

#: The digits of a timestamp (`hookstream_keys.domain.timestamps`), and an ID.
_FORM = re.compile(
    r"([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{3})-([A-Za-z0-9_-]{1,64})",
    re.ASCII,
)
_PUNCTUATION = str.maketrans("", "", "-:.TZ")


def encode(created_at: str, row_id: str) -> str:
    """The cursor after the row of this sort key, such as `20261124120000000-ak_0`.

    `created_at` has the form of `hookstream_keys.domain.timestamps`.
    """
    return f"{created_at.translate(_PUNCTUATION)}-{row_id}"


def decode(text: str) -> tuple[str, str]:
    """The sort key, `created_at` and `id`. Raises BadRequest for a text of another form.

    The timestamp need not exist: it is compared as text.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise BadRequest(
            "The request's parameters are not valid.",
            details=[Detail("query/cursor", "is not a cursor of this list")],
        )
    year, month, day, hour, minute, second, millisecond, row_id = found.groups()
    return f"{year}-{month}-{day}T{hour}:{minute}:{second}.{millisecond}Z", row_id
