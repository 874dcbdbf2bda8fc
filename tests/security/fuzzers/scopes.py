"""`hookstream_keys.domain.scopes`: the document's grammar, and what covers what."""

import string

from hookstream_keys.contract import spec
from hookstream_keys.contract.schemas import check_value
from hookstream_keys.domain.scopes import Scopes, covers

_CREATE = spec.request_schema(spec.document(), "createApiKey")
_SCHEMA = _CREATE["properties"]["scopes"]
_FIRST = string.ascii_letters + string.digits
_LATER = _FIRST + "._-"


def check(data: bytes) -> None:
    """The data as two lists of scopes, one after the other."""
    texts = [part.decode("latin-1") for part in data.split(b"\n", 1)]
    for text in texts:
        names = _read(text)
        assert (check_value(_SCHEMA, text, "body/scopes") == []) == (names is not None), text
        if names is None:
            return
        parsed = Scopes.parse(text)
        assert list(parsed.names) == names, text
        assert Scopes.parse(str(parsed)) == parsed
        assert parsed.beyond(parsed.names) == []
    granted, wanted = Scopes.parse(texts[0]), Scopes.parse(texts[-1])
    for name in wanted.names:
        assert granted.allow(name) == any(_covers(own, name) for own in granted.names)
    both = granted.common(wanted)
    for name in (*granted.names, *wanted.names):
        assert both.allow(name) == (granted.allow(name) and wanted.allow(name)), name
    missing = [name for name in wanted.names if not granted.allow(name)]
    assert granted.beyond(wanted.names) == missing
    for own in granted.names:
        for name in wanted.names:
            assert covers(own, name) == _covers(own, name), (own, name)


def _covers(granted: str, wanted: str) -> bool:
    """Whether everything that `wanted` stands for is something that `granted` stands for."""
    if granted in ("*", wanted):
        return True
    return granted.endswith(":*") and wanted.startswith(granted[:-1])


def _read(text: str) -> list[str] | None:
    """The scopes of a list, each once, or None where it is none."""
    if not 0 < len(text) <= 1000:
        return None
    names: list[str] = []
    for place, part in enumerate(text.replace(",", " ").split(" ")):
        # One space may follow a separator, so an empty part stands between two of them.
        if part == "" and place and text[_start(text, place)] == " ":
            continue
        if not _is_scope(part):
            return None
        names.append(part)
    ends_well = text[-1] not in " ,"
    return list(dict.fromkeys(names)) if ends_well and not _has_three(text) else None


def _start(text: str, place: int) -> int:
    """Where the separator after the part of this number stands."""
    seen = -1
    for index, character in enumerate(text):
        if character in " ,":
            seen += 1
            if seen == place:
                return index
    return len(text) - 1


def _has_three(text: str) -> bool:
    plain = text.replace(",", " ")
    return "   " in plain


def _is_scope(text: str) -> bool:
    if text == "*":
        return True
    resource, colon, action = text.partition(":")
    return bool(colon) and _is_name(resource) and (action == "*" or _is_name(action))


def _is_name(text: str) -> bool:
    return 0 < len(text) <= 64 and text[0] in _FIRST and all(each in _LATER for each in text)
