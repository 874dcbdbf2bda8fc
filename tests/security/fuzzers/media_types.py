"""`hookstream_keys.http.body_reader`: which Content-Type is one of JSON in UTF-8."""

from hookstream_keys.contract import spec
from hookstream_keys.domain.errors import UnsupportedMediaType
from hookstream_keys.http.body_reader import _check_media_type

_UTF_8 = ("utf-8", "utf8")
_OPERATION = spec.operation("createApiKey")


def check(data: bytes) -> None:
    """The data as a Content-Type, of a request that creates a key."""
    try:
        _check_media_type(data, _OPERATION)
    except UnsupportedMediaType:
        taken = False
    else:
        taken = True
    assert taken == _is_json(data.decode("latin-1")), data


def _is_json(text: str) -> bool:
    name, *parameters = text.split(";")
    if name.strip().lower() != "application/json":
        return False
    for parameter in parameters:
        key, equals, value = parameter.lstrip().partition("=")
        if key.rstrip().lower() == "charset" and equals:
            # The first says it, up to a quote or a space.
            said = value.lstrip().removeprefix('"').partition('"')[0]
            return said != "" and not said[0].isspace() and said.split()[0].lower() in _UTF_8
    return True
