"""`hookstream_keys.domain.cookies`: the cookies found, against a reader that goes by characters."""

from hookstream_keys.domain import cookies

NAMES = ("__Secure-better-auth.session_token", "better-auth.session_token")
_HEX = "0123456789abcdefABCDEF"


def check(data: bytes) -> None:
    """The data as a Cookie header."""
    header = data.decode("latin-1")
    found = cookies.read(header, NAMES)
    assert found == _find(header), header
    for value in found:
        # It goes to SQLite and into an HMAC, both of which take UTF-8.
        value.encode()


def _find(header: str) -> list[str]:
    jar: list[tuple[str, str]] = []
    name, value, seen_equals = "", "", False
    for character in f"{header};":
        if character == ";":
            if seen_equals:
                jar.append((_trimmed(name), _trimmed(value)))
            name, value, seen_equals = "", "", False
        elif seen_equals:
            value += character
        elif character == "=":
            seen_equals = True
        else:
            name += character
    for wanted in NAMES:
        values = [_decoded(value) for name, value in jar if name == wanted]
        if values:
            return list(dict.fromkeys(values))
    return []


def _trimmed(text: str) -> str:
    """Without the spaces and tabs around it: RFC 6265bis knows no others."""
    while text and text[0] in " \t":
        text = text[1:]
    while text and text[-1] in " \t":
        text = text[:-1]
    return text


def _decoded(value: str) -> str:
    """Without quotes around it, and with every run of ASCII percent-decoded as UTF-8."""
    while value and value[0] == '"':
        value = value[1:]
    while value and value[-1] == '"':
        value = value[:-1]
    read, run, place = "", b"", 0
    while place < len(value):
        character = value[place]
        if character == "%" and len(value) >= place + 3 and _is_hex(value[place + 1 : place + 3]):
            run += bytes([int(value[place + 1 : place + 3], 16)])
            place += 3
            continue
        if character < "\x80":
            run += character.encode()
        else:
            read += run.decode("utf-8", "replace") + character
            run = b""
        place += 1
    return read + run.decode("utf-8", "replace")


def _is_hex(pair: str) -> bool:
    return pair[0] in _HEX and pair[1] in _HEX
